"""Pictures to captions: each is decoded on its own, then those there are go through the network together."""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from app.inputs.pictures import Picture, read_picture
from app.serving.batcher import Batcher
from app.serving.cores import Turns
from app.serving.metrics import Metrics
from app.settings import Settings
from model.decoding.config import DecodingConfig
from model.decoding.hypotheses import Observer
from model.decoding.observers import BeamTree, Observers, TreeObserver, WordObserver
from model.openvino.program import Turn
from model.tasks.captioning.captioner import Caption, Captioner, Token

_JPEG_MARGIN = 3
"""A JPEG is decoded at no less than this many times the network's size a side, so that scaling it down stays smooth."""

T = TypeVar("T")


class Listener(Protocol):
    """Is told how a picture comes to its captions, by the threads that see to it."""

    def decoded(self, picture: Picture) -> None:
        """It is a picture."""

    def word(self, caption: int, place: int, token: Token) -> None:
        """The caption of this number has this word at this place. Told again where the search had to start again."""


@dataclass(frozen=True)
class PictureRequest:
    """A picture that is to be captioned."""

    data: bytes
    """Of its file."""
    decoding: DecodingConfig
    attention: bool = False
    tree: bool = False
    listener: Listener | None = None
    captioner: Captioner = None  # type: ignore[assignment]  # set by the engine


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
    """Of the whole batch, as generate. On a lane, its networks' waiting for their turns as well."""
    generate: float
    tree: BeamTree | None = None
    """Where it was asked for."""


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A picture made ready for the network; the file and the pixels, which may be large, are let go."""

    captioner: Captioner
    decoding: DecodingConfig
    attention: bool
    tree: bool
    listener: Listener | None
    pixels: Tensor
    """(3, S, S)"""
    width: int
    height: int
    format: str
    asked: float
    """When, as by `time.perf_counter`."""
    seconds: float
    """That decoding took."""


class PictureWorker:
    """Decodes pictures on a few threads, since Pillow lets go of the interpreter lock, and captions them on others.

    Its methods belong on the event loop, where `run` must be running.

    Args:
        settings: of limits and batches.
        turns: shared by all who want the processor.
        metrics: told of what is done.
    """

    def __init__(self, settings: Settings, turns: Turns, metrics: Metrics) -> None:
        self._settings = settings
        self._turns = turns
        self._metrics = metrics
        self._batcher = Batcher(
            self._decode,
            self._caption,
            threads=settings.decode_threads,
            size=settings.batch_size,
            pause=settings.batch_pause_ms / 1000,
            queue=settings.picture_queue,
            deadline=settings.deadline_seconds,
        )
        self.run = self._batcher.run
        self.widen = self._batcher.widen
        self.close = self._batcher.close
        self.require_room = self._batcher.require_room

    @property
    def pending(self) -> int:
        """Pictures that have no captions yet."""
        return self._batcher.pending

    def caption(self, requests: Sequence[PictureRequest]) -> list[asyncio.Task[Answer]]:
        """Takes on all pictures, or none. Each is answered on its own; who cancels a task withdraws its picture.

        Raises:
            Refusal: too many wait already; closed. From a task: not a picture that is read; too late.
            UnknownPrefixError: a prefix has words that the vocabulary lacks.
        """
        for request in requests:
            request.captioner.encode_prefix(request.decoding.prefix)
        asked = time.perf_counter()
        return self._batcher.submit([(request, asked) for request in requests])

    def _decode(self, item: tuple[PictureRequest, float]) -> _Decoded:
        request, asked = item
        started = time.perf_counter()
        picture = read_picture(
            request.data,
            max_pixels=self._settings.max_pixels,
            max_dimension=self._settings.max_dimension,
            enough=_JPEG_MARGIN * request.captioner.config.encoder.preprocessing.size,
        )
        pixels = request.captioner.preprocess(picture.image)  # (3, S, S)
        seconds = time.perf_counter() - started
        self._metrics.stage_seconds.labels("decode").observe(seconds)
        if request.listener:
            request.listener.decoded(picture)
        return _Decoded(
            captioner=request.captioner,
            decoding=request.decoding,
            attention=request.attention,
            tree=request.tree,
            listener=request.listener,
            pixels=pixels,
            width=picture.width,
            height=picture.height,
            format=picture.format,
            asked=asked,
            seconds=seconds,
        )

    def _caption(self, batch: Sequence[_Decoded], lane: int | None) -> list[Answer]:
        """Encodes all pictures of a model together, and decodes those together that are decoded alike."""
        self._metrics.batch_size.observe(len(batch))
        answers: dict[_Decoded, Answer] = {}
        for pictures in _groups(batch, lambda picture: picture.captioner):
            whole = pictures[0].captioner
            # A lane's networks take turns, each for itself: all of a batch would be too long for a text to wait.
            captioner, turn = (whole, self._turns.turn) if lane is None else (whole.lanes[lane], nullcontext)
            with turn():
                started = time.perf_counter()
                grids = captioner.encode(torch.stack([picture.pixels for picture in pictures]))  # (B, P, E)
                if grids.is_cuda:
                    torch.cuda.synchronize()
                encode = time.perf_counter() - started
            self._metrics.stage_seconds.labels("encode").observe(encode)
            encoded = zip(pictures, grids, strict=True)
            for group in _groups(encoded, lambda pair: (pair[0].decoding, pair[0].attention)):
                answers |= self._generate(captioner, turn, group, encode)
        for answer in answers.values():
            self._metrics.captions.inc(len(answer.captions))
            self._metrics.queue_seconds.labels("picture").observe(answer.queue)
        return [answers[picture] for picture in batch]

    def _generate(
        self,
        captioner: Captioner,
        turn: Turn,
        group: Sequence[tuple[_Decoded, Tensor]],
        encode: float,
    ) -> dict[_Decoded, Answer]:
        """Captions of pictures and their grids (P, E), which are decoded alike."""
        first = group[0][0]
        with turn():
            started = time.perf_counter()
            grids = torch.stack([grid for _, grid in group])  # (B, P, E)
            observers, trees = _observers([picture for picture, _ in group])
            found = captioner.generate(
                grids,
                first.decoding,
                attention=first.attention,
                observer=Observers(observers) if observers else None,
            )
            ended = time.perf_counter()
        self._metrics.stage_seconds.labels("generate").observe(ended - started)
        return {
            picture: Answer(
                captions=captions,
                width=picture.width,
                height=picture.height,
                format=picture.format,
                queue=ended - picture.asked - picture.seconds - encode - (ended - started),
                decode=picture.seconds,
                encode=encode,
                generate=ended - started,
                tree=trees[place].tree if place in trees else None,
            )
            for place, ((picture, _), captions) in enumerate(zip(group, found, strict=True))
        }


def _observers(pictures: Sequence[_Decoded]) -> tuple[list[Observer], dict[int, TreeObserver]]:
    """Who watches the search for the captions of these; and, of those who want a tree, who records it."""
    words = [
        WordObserver(picture.captioner, place, draws=picture.decoding.method == "sample", tell=picture.listener.word)
        for place, picture in enumerate(pictures)
        if picture.listener
    ]
    trees = {
        place: TreeObserver(picture.captioner.vocabulary, place)
        for place, picture in enumerate(pictures)
        if picture.tree
    }
    return [*words, *trees.values()], trees


def _groups(items: Iterable[T], kind: Callable[[T], Hashable]) -> Iterable[list[T]]:
    """Items that are of one kind, in their order."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(kind(item), []).append(item)
    return groups.values()
