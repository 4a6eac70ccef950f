"""Recordings to their texts: decoded on threads, cut into pieces, which run in batches with those of others."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from app.errors import Refusal
from app.serving.batcher import Batcher
from app.serving.worker import Resources
from model.audio import RATE, Samples, WaveformError
from model.audio.waveforms import read_waveform
from model.checkpoint import Checkpoint
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.transcription.config import DecodingConfig, TranscriptionConfig
from model.tasks.transcription.pieces import LONGEST, cuts
from model.tasks.transcription.recogniser import Recogniser, Segment

BATCH = 8
"""Most pieces that run together, and most of one recording that wait at a time."""
PAUSE = 0.002
"""Seconds that a batch waits for more: a piece takes many times as long."""


@dataclass
class PieceJob:
    """A piece of a recording, and the words in it."""

    waveform: Samples
    """The whole recording (S,)."""
    begin: int
    end: int
    decoding: DecodingConfig
    segment: Segment = field(init=False)

    @property
    def piece(self) -> Samples:
        return self.waveform[self.begin : self.end]


@contextmanager
def told() -> Iterator[None]:
    """Refuses a recording that is not read."""
    try:
        yield
    except WaveformError as error:
        raise Refusal(error.code, str(error), "file") from error


class RecogniserWorker(Batcher[PieceJob]):
    """The worker of a recogniser in evaluation mode."""

    def __init__(self, name: str, model: Recogniser, resources: Resources) -> None:
        self.model = model
        settings = resources.settings
        super().__init__(
            TRANSCRIPTION.name,
            name,
            "pieces of recordings",
            resources,
            size=BATCH,
            pause=PAUSE,
            queue=settings.picture_queue,
            deadline=settings.deadline_seconds,
        )
        self._decoders = resources.slow_preparers

    def prepare(self, item: PieceJob) -> PieceJob:
        return item

    def kind(self, item: PieceJob) -> Hashable:
        """Pieces of like length share a batch, which is padded to the longest."""
        return len(item.piece).bit_length()

    def run(self, batch: Sequence[PieceJob]) -> Sequence[PieceJob]:
        with self.cores.whole():
            for job, logprobs in zip(batch, self.model.hear([job.piece for job in batch]), strict=True):
                job.segment = self.model.segment(logprobs, job.begin, job.end, job.decoding)
        return batch

    async def read(self, data: bytes) -> Samples:
        """The waveform (S,) of a file; raises a Refusal that says why there is none."""

        def read() -> Samples:
            self.require_open()
            with told():
                return read_waveform(data)

        self.require_room()
        return await asyncio.get_running_loop().run_in_executor(self._decoders, read)

    async def segments(self, waveform: Samples, decoding: DecodingConfig) -> AsyncIterator[Segment]:
        """The segments of a waveform (S,), each as soon as it and those before it are known."""
        pieces = cuts(waveform)
        for start in range(0, len(pieces), BATCH):
            jobs = [PieceJob(waveform, begin, end, decoding) for begin, end in pieces[start : start + BATCH]]
            tasks = self.submit(jobs)
            try:
                for task in tasks:
                    yield (await task).segment
            finally:
                for task in tasks:
                    task.cancel()


def load_worker(checkpoint: Checkpoint[TranscriptionConfig, Recogniser], resources: Resources) -> RecogniserWorker:
    """Loads a recogniser and warms it up."""
    model = resources.loader.load(checkpoint)
    for samples in (RATE, LONGEST):
        model.transcribe([np.zeros(samples, np.float32)])
    return RecogniserWorker(checkpoint.name, model, resources)
