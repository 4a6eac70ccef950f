"""Texts to speech: planned at once, so that its length is known, and spoken piece by piece, in batches with others'."""

import asyncio
from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from app.errors import Refusal
from app.serving.batcher import Batcher
from app.serving.worker import Resources
from model.audio import RATE, Samples
from model.audio.encoding import Encoder, Format
from model.checkpoint import Checkpoint
from model.tasks.speech import SPEECH
from model.tasks.speech.config import SpeechConfig
from model.tasks.speech.reading import UnsayableError
from model.tasks.speech.synthesiser import Piece, Synthesiser, Timed, words_of

BATCH = 4
"""Most pieces that run together, and most of one text that wait at a time."""
PAUSE = 0.002
"""Seconds that a batch waits for more: a piece takes many times as long."""
LONGEST = 4096
"""Characters of the longest text: OpenAI's limit."""
SpeechCheckpoint = Checkpoint[SpeechConfig, Synthesiser]


@dataclass
class PieceJob:
    """A piece of a text, and its waveform."""

    piece: Piece
    waveform: Samples = field(init=False)


@dataclass(frozen=True)
class Speech:
    """A text as it is going to be said."""

    pieces: tuple[Piece, ...]
    pause: int
    """Samples of silence between two pieces."""
    unheard: tuple[str, ...]
    """Words that the voice was never heard to say."""

    @property
    def samples(self) -> int:
        return sum(piece.samples for piece in self.pieces) + self.pause * (len(self.pieces) - 1)

    def words(self) -> list[Timed]:
        """All words with their times."""
        found, begin = [], 0
        for piece in self.pieces:
            found += words_of(piece, begin / RATE)
            begin += piece.samples + self.pause
        return found


def planned(model: Synthesiser, text: str, voice: int, speed: float) -> Speech:
    """A text as a voice will say it; an `UnsayableError` tells what it can't say."""
    scripts = model.scripts(text)
    pieces = model.plan(scripts, voice, speed)
    words = [word.text for script in scripts for word in script.words]
    pause = round(model.config.rendering.pause / speed * RATE)
    return Speech(tuple(pieces), pause, tuple(model.voices.unheard(voice, words)))


def voice_of(model: Synthesiser, name: str | None) -> int:
    """The number of a voice, by default the first; a Refusal tells which there are."""
    if name is None:
        return 0
    try:
        return model.voices.number(name)
    except KeyError:
        there = ", ".join(model.voices.names)
        raise Refusal(
            "invalid_parameter", f"voice={name[:100]!r}: there is no such voice; there are {there}", "voice"
        ) from None


class SynthesiserWorker(Batcher[PieceJob]):
    """The worker of a synthesiser in evaluation mode."""

    def __init__(self, name: str, model: Synthesiser, resources: Resources) -> None:
        self.model = model
        settings = resources.settings
        super().__init__(
            SPEECH.name,
            name,
            "pieces of texts",
            resources,
            size=BATCH,
            pause=PAUSE,
            queue=settings.picture_queue,
            deadline=settings.deadline_seconds,
        )
        self._planners = resources.slow_preparers

    def prepare(self, item: PieceJob) -> PieceJob:
        return item

    def kind(self, item: PieceJob) -> Hashable:
        """Pieces of like length share a batch, which is padded to the longest."""
        return item.piece.frames.bit_length()

    def run(self, batch: Sequence[PieceJob]) -> Sequence[PieceJob]:
        with self.cores.whole():
            for job, waveform in zip(batch, self.model.speak([job.piece for job in batch]), strict=True):
                job.waveform = waveform
        return batch

    async def plan(self, text: str, voice: int, speed: float) -> Speech:
        """A text as it will be said; raises a Refusal that tells why it can't be."""

        def plan() -> Speech:
            self.require_open()
            try:
                with self.cores.whole():
                    return planned(self.model, text, voice, speed)
            except UnsayableError as error:
                raise Refusal("invalid_parameter", str(error), "input") from error

        self.require_room()
        return await asyncio.get_running_loop().run_in_executor(self._planners, plan)

    async def waveforms(self, speech: Speech) -> AsyncGenerator[Samples]:
        """The waveform (S,) of each piece, with the pause before it, as soon as it and those before it are known."""
        silence = np.zeros(speech.pause, np.float32)
        for start in range(0, len(speech.pieces), BATCH):
            tasks = self.submit([PieceJob(piece) for piece in speech.pieces[start : start + BATCH]])
            try:
                for place, task in enumerate(tasks):
                    waveform = (await task).waveform
                    yield waveform if start + place == 0 else np.concatenate([silence, waveform])
            finally:
                for task in tasks:
                    task.cancel()

    async def parts(self, speech: Speech, format: Format) -> AsyncGenerator[bytes]:
        """A file of the speech, in parts that are there as soon as they can be; none is empty."""
        loop = asyncio.get_running_loop()
        encoder = Encoder(format, speech.samples)

        def encoded(waveform: Samples, last: bool) -> bytes:
            encoder.write(waveform)
            return encoder.close() if last else encoder.take()

        async with aclosing(self.waveforms(speech)) as waveforms:
            left = len(speech.pieces)
            async for waveform in waveforms:
                left -= 1
                if data := await loop.run_in_executor(self._planners, encoded, waveform, left == 0):
                    yield data


def load_worker(checkpoint: SpeechCheckpoint, resources: Resources) -> SynthesiserWorker:
    """Loads a synthesiser and warms it up."""
    model = resources.loader.load(checkpoint)
    model.speak(planned(model, "Hello.", 0, 1.0).pieces)
    return SynthesiserWorker(checkpoint.name, model, resources)
