"""Pictures to captions and prompts to texts, without ever holding up the event loop."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import anyio.to_thread
import torch
from anyio import CapacityLimiter
from PIL import Image
from torch import Tensor

from app.errors import ApiError
from app.generation import Generation, TextRequest, TextWorker
from app.images import read_picture
from app.registry import Registry, UnknownModelError, choose_device
from app.settings import Settings
from app.turns import Turns
from model.captioner import Caption, Captioner
from model.checkpoint import CaptionerCheckpoint, Checkpoint, LanguageCheckpoint
from model.config import DecodingConfig

C = TypeVar("C", bound=Checkpoint)

_JPEG_MARGIN = 3
"""A JPEG is decoded at no less than this many times the network's size a side, so that scaling it down stays smooth."""


@dataclass(frozen=True)
class Answer:
    """Captions of a picture, and where the time went (seconds)."""

    captions: list[Caption]
    width: int
    height: int
    format: str
    queue: float
    decode: float
    encode: float
    generate: float


@dataclass(frozen=True)
class _Decoded:
    """A picture made ready for the network; the picture itself, which may be large, is let go."""

    pixels: Tensor
    width: int
    height: int
    format: str
    started: float
    ended: float


class Engine:
    """The models, and the threads they run on.

    Pictures are decoded by a few threads, since Pillow lets go of the interpreter lock; the networks take turns, since
    each call takes all cores.
    """

    def __init__(self, settings: Settings) -> None:
        """Reads the checkpoints' descriptions; `load` brings their weights.

        Raises:
            CheckpointError: a checkpoint is missing or broken.
            ValueError: the device is not there.
        """
        self.settings = settings
        self.registry = Registry.open(settings.checkpoints, settings.default_model, settings.default_text_model)
        self.device = choose_device(settings.device)
        self.state: Literal["loading", "ready", "draining", "failed"] = "loading"
        self.captioners: dict[str, Captioner] = {}
        self._decoders = CapacityLimiter(settings.decode_threads)
        self.workers: dict[str, TextWorker] = {}
        self._network = CapacityLimiter(1)
        self._turns = Turns()

    def load(self) -> None:
        """Loads and warms up every model; blocks.

        Raises:
            CheckpointError: a file was changed or cut; says which and how.
        """
        if self.settings.threads:
            torch.set_num_threads(self.settings.threads)
        captioners, workers = {}, {}
        for name, checkpoint in self.registry.checkpoints.items():
            if isinstance(checkpoint, CaptionerCheckpoint):
                captioners[name] = checkpoint.load(self.device)
                captioners[name].caption([Image.new("RGB", (64, 64))])
            else:
                language_model = checkpoint.load(self.device)
                slots, queue = self.settings.text_slots, self.settings.text_queue
                workers[name] = TextWorker(name, language_model, self._turns, slots=slots, queue=queue)
        self.captioners, self.workers = captioners, workers

    def close(self) -> None:
        """Ends the texts that are being written, and their threads; blocks for a step."""
        for worker in self.workers.values():
            worker.close()

    def require_ready(self) -> None:
        """
        Raises:
            ApiError: 503, not yet or no longer.
        """
        if self.state == "loading":
            message = "the models are still loading; try again shortly"
            raise ApiError(503, "loading", message, headers={"retry-after": "2"})
        if self.state == "draining":
            raise ApiError(503, "draining", "the server is shutting down", headers={"retry-after": "10"})
        if self.state == "failed":
            raise ApiError(503, "failed", "the models could not be loaded; the server's log says why")

    def find(self, kind: type[C], name: str | None) -> C:
        """The checkpoint of that kind and name, or the default one.

        Raises:
            ApiError: 404, there is none, or it is of another kind.
        """
        try:
            return self.registry.find(kind, name)
        except UnknownModelError as error:
            raise ApiError(404, "unknown_model", str(error), "model") from error

    async def caption(
        self, checkpoint: CaptionerCheckpoint, data: bytes, decoding: DecodingConfig, *, attention: bool = False
    ) -> Answer:
        """Captions a picture.

        Raises:
            ApiError: the bytes are not a picture that is read.
            UnknownPrefixError: the prefix has words that the vocabulary lacks.
        """
        captioner = self.captioners[checkpoint.name]
        asked = time.perf_counter()
        decoded = await anyio.to_thread.run_sync(partial(self._decode, captioner, data), limiter=self._decoders)
        captions, started, encoded, generated = await anyio.to_thread.run_sync(
            partial(self._run, captioner, decoded.pixels, decoding, attention), limiter=self._network
        )
        return Answer(
            captions=captions,
            width=decoded.width,
            height=decoded.height,
            format=decoded.format,
            queue=(decoded.started - asked) + (started - decoded.ended),
            decode=decoded.ended - decoded.started,
            encode=encoded - started,
            generate=generated - encoded,
        )

    def generate(self, checkpoint: LanguageCheckpoint, requests: Sequence[TextRequest]) -> Generation:
        """Texts of a language model, which end when the caller leaves the context of what this returns.

        Raises:
            ApiError: 429, too many texts wait already; 503, the server is shutting down.
        """
        return self.workers[checkpoint.name].generate(requests)

    def _decode(self, captioner: Captioner, data: bytes) -> _Decoded:
        started = time.perf_counter()
        picture = read_picture(
            data,
            max_pixels=self.settings.max_pixels,
            max_dimension=self.settings.max_dimension,
            enough=_JPEG_MARGIN * captioner.config.encoder.preprocessing.size,
        )
        pixels = captioner.preprocess(picture.image)[None]  # (1, 3, S, S)
        return _Decoded(pixels, picture.width, picture.height, picture.format, started, time.perf_counter())

    def _run(
        self, captioner: Captioner, pixels: Tensor, decoding: DecodingConfig, attention: bool
    ) -> tuple[list[Caption], float, float, float]:
        with self._turns.turn():
            started = time.perf_counter()
            grid = captioner.encode(pixels)  # (1, P, E)
            if grid.is_cuda:
                torch.cuda.synchronize()
            encoded = time.perf_counter()
            (captions,) = captioner.generate(grid, decoding, attention=attention)
            return captions, started, encoded, time.perf_counter()
