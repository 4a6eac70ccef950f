"""Pictures to captions: each picture is decoded on its own, then those decoded alike are captioned together."""

import asyncio
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from app.errors import Refusal
from app.serving.batcher import Batcher, BatchService
from app.serving.worker import Resources
from model.checkpoint import Checkpoint
from model.decoding.observers import BeamTree, TreeObserver, WordObserver
from model.decoding.search import Observer
from model.openvino.lanes import can_share
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Caption, Captioner, UnknownPrefixError, Word
from model.tasks.captioning.config import CaptionerConfig, DecodingConfig
from model.vision.formats import PictureError
from model.vision.pictures import Picture


class Listener(Protocol):
    """Hears how a picture gets its captions, from the threads that work on it."""

    def decoded(self, picture: Picture) -> None:
        """The bytes turned out to be a picture."""

    def word(self, caption: int, place: int, token: Word) -> None:
        """The caption of this number has this word at this place; repeated if the search has to start again."""


@dataclass(frozen=True)
class PictureRequest:
    """A picture to caption, and how."""

    data: bytes
    """Contents of its file."""
    decoding: DecodingConfig
    attention: bool = False
    tree: bool = False
    listener: Listener | None = None
    prefix: tuple[int, ...] = ()
    """Numbers of the words of `decoding.prefix`, filled in by `PictureWorker.submit`."""
    asked: float = field(default_factory=time.perf_counter)


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
    """Time of the whole batch, like `generate`. On a lane, it includes the wait for a share of the cores."""
    generate: float
    tree: BeamTree | None = None
    """Set where the request asked for it."""


@dataclass(frozen=True)
class DecodedPicture:
    """A picture ready for the network; its file and its pixels, which may be large, are released."""

    request: PictureRequest
    pixels: Tensor
    """(3, S, S)"""
    width: int
    height: int
    format: str
    seconds: float
    """Time that decoding took."""


class CaptioningService(BatchService[PictureRequest, DecodedPicture, Answer]):
    """Decodes pictures on threads, since Pillow releases the interpreter lock, and captions them in batches.

    Args:
        captioner: in evaluation mode.
        resources: those of the process.
    """

    def __init__(self, captioner: Captioner, resources: Resources) -> None:
        self._captioner = captioner
        self._settings = resources.settings
        self._cores = resources.cores
        self._stages = {
            stage: resources.metrics.stage_seconds.labels(CAPTIONING.name, stage)
            for stage in ("decode", "encode", "generate")
        }

    def prepare(self, request: PictureRequest) -> DecodedPicture:
        started = time.perf_counter()
        try:
            picture = self._captioner.read(
                request.data, max_pixels=self._settings.max_pixels, max_side=self._settings.max_dimension
            )
        except PictureError as error:
            raise Refusal(error.code, str(error), "image") from error
        pixels = self._captioner.preprocess(picture.rgb)  # (3, S, S)
        seconds = time.perf_counter() - started
        self._stages["decode"].observe(seconds)
        if request.listener:
            request.listener.decoded(picture)
        return DecodedPicture(
            replace(request, data=b""), pixels, picture.width, picture.height, picture.format, seconds
        )

    def key(self, ready: DecodedPicture) -> Hashable:
        return ready.request.decoding, ready.request.attention

    def run(self, batch: Sequence[DecodedPicture]) -> list[Answer]:
        captioner = self._captioner
        asked = batch[0].request
        with self._cores.whole():
            started = time.perf_counter()
            grids = captioner.encode(torch.stack([picture.pixels for picture in batch]))  # (B, P, E)
            if grids.is_cuda:
                torch.cuda.synchronize()
            encode = time.perf_counter() - started
        observers, trees = _observers(captioner, [picture.request for picture in batch])
        with self._cores.whole():  # anew, so that a text does not have to wait for both
            started = time.perf_counter()
            found = captioner.generate(
                grids,
                asked.decoding,
                prefix=asked.prefix,
                attention=asked.attention,
                observers=observers,
            )
            ended = time.perf_counter()
        self._stages["encode"].observe(encode)
        self._stages["generate"].observe(ended - started)
        return [
            Answer(
                captions=captions,
                width=picture.width,
                height=picture.height,
                format=picture.format,
                queue=ended - picture.request.asked - picture.seconds - encode - (ended - started),
                decode=picture.seconds,
                encode=encode,
                generate=ended - started,
                tree=trees[place].tree if place in trees else None,
            )
            for place, (picture, captions) in enumerate(zip(batch, found, strict=True))
        ]

    def widen(self) -> int:
        if self._cores.shares == 1 or not can_share(self._captioner):
            return 1
        with self._cores.shared():
            _warm_up(self._captioner)
        return self._cores.shares


def _observers(
    captioner: Captioner, requests: Sequence[PictureRequest]
) -> tuple[list[Observer], dict[int, TreeObserver]]:
    """The observers of a search for these requests; and those that record a tree, by the request's place."""
    words = [
        WordObserver(captioner.words, place, draws=request.decoding.method == "sample", tell=request.listener.word)
        for place, request in enumerate(requests)
        if request.listener
    ]
    trees = {place: TreeObserver(captioner.vocabulary, place) for place, request in enumerate(requests) if request.tree}
    return [*words, *trees.values()], trees


class PictureWorker(Batcher[PictureRequest, DecodedPicture, Answer]):
    """The worker of a captioner.

    Args:
        name: the captioner's name, for metrics.
        captioner: in evaluation mode.
        resources: those of the process.
    """

    def __init__(self, name: str, captioner: Captioner, resources: Resources) -> None:
        settings = resources.settings
        super().__init__(
            CaptioningService(captioner, resources),
            task=CAPTIONING.name,
            model=name,
            noun="pictures",
            metrics=resources.metrics,
            cores=resources.cores,
            preparers=resources.preparers,
            size=settings.batch_size,
            pause=settings.batch_pause_ms / 1000,
            queue=settings.picture_queue,
            deadline=settings.deadline_seconds,
        )
        self.captioner = captioner

    def submit(self, requests: Sequence[PictureRequest]) -> list[asyncio.Task[Answer]]:
        """Takes on all pictures, or none. Cancelling a task withdraws its picture.

        Raises:
            Refusal: a prefix has words that the captioner does not know; too many pictures wait already; the server is
                shutting down. From a task: the bytes are not a picture that is read; it took too long.
        """
        texts = {request.decoding.prefix for request in requests}
        try:
            prefixes = {text: tuple(self.captioner.encode_prefix(text)) for text in texts}
        except UnknownPrefixError as error:
            raise Refusal("invalid_parameter", f"prefix: {error}", "prefix") from error
        return super().submit([replace(request, prefix=prefixes[request.decoding.prefix]) for request in requests])


def load_worker(checkpoint: Checkpoint[CaptionerConfig, Captioner], resources: Resources) -> PictureWorker:
    """Loads a captioner and warms it up.

    Raises:
        CheckpointError: a file was changed or cut; the message says which and how.
    """
    captioner = resources.loader.load(checkpoint)
    _warm_up(captioner)
    return PictureWorker(checkpoint.name, captioner, resources)


def _warm_up(captioner: Captioner) -> None:
    captioner.caption([Image.new("RGB", (64, 64))])
