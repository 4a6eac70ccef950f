"""Pictures to captions: each picture is decoded on its own, then those decoded alike are captioned together."""

import asyncio
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from app.errors import Refusal
from app.serving.batcher import Batcher
from app.serving.worker import Resources
from model.checkpoint import Checkpoint
from model.decoding.observers import BeamTree, TreeObserver, WordObserver
from model.openvino.lanes import can_share
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import NO_TAGS, Caption, Captioner, UnknownPrefixError, Word
from model.tasks.captioning.config import CaptionerConfig, DecodingConfig
from model.tasks.captioning.tagger import Tag
from model.tasks.captioning.wording import Wording, worded
from model.vision.formats import PictureError
from model.vision.pictures import Picture, PictureFile


class Listener(Protocol):
    """Hears how a picture gets its captions, from the threads that work on it."""

    def decoded(self, picture: Picture) -> None:
        """The bytes turned out to be a picture."""

    def word(self, caption: int, place: int, token: Word) -> None:
        """The caption of this number has this word at this place; repeated if the search has to start again.

        Nothing is told of captions that may be withheld.
        """


@dataclass(eq=False)
class PictureJob:
    """A picture to caption, and how; its worker fills in the rest."""

    data: bytes
    """Contents of its file, until they are decoded; none until then if `supply` gets them."""
    decoding: DecodingConfig
    attention: bool = False
    top_logprobs: int = 0
    """The number of likeliest words to find in the place of each."""
    tree: bool = False
    """True records the hypotheses of the search."""
    tag: bool = False
    """True finds tags, with a captioner that can."""
    wording: Mapping[str, Any] = field(default_factory=dict)
    """Differences from the worker's `Wording`."""
    listener: Listener | None = None
    supply: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)
    """The context in which `data` is there."""
    asked: float = field(default_factory=time.perf_counter)

    told: Wording = field(init=False)
    prefix: Sequence[int] = field(init=False)
    """Numbers of the words of `decoding.prefix`."""
    file: PictureFile = field(init=False)
    """Opened, and not decoded yet."""
    picture: Picture = field(init=False)
    """Its size and format; the pixels, which may be many, are released."""
    pixels: Tensor = field(init=False)
    """(3, S, S), ready for the network."""
    captions: list[Caption] = field(init=False)
    """In the form in which they are told."""
    tags: list[Tag] | None = field(init=False)
    beams: BeamTree | None = field(init=False)
    seconds: dict[str, float] = field(init=False)
    """Time of each stage: `queue`; `decode`; `encode` and `generate`, each of the whole batch. On a lane, `encode`
    includes the wait for a share of the cores."""


class PictureWorker(Batcher[PictureJob]):
    """The worker of a captioner in evaluation mode.

    It decodes on threads, since Pillow releases the interpreter lock, and captions in batches.
    """

    def __init__(self, name: str, captioner: Captioner, resources: Resources) -> None:
        self._captioner = captioner
        self._settings = settings = resources.settings
        self._wording = Wording(min_confidence=settings.min_confidence)
        self._withheld = resources.metrics.captions_withheld.labels(name)
        seconds = resources.metrics.stage_seconds
        self._stages = {stage: seconds.labels(CAPTIONING.name, stage) for stage in ("decode", "encode", "generate")}
        super().__init__(
            CAPTIONING.name,
            name,
            "pictures",
            resources,
            size=settings.batch_size,
            pause=settings.batch_pause_ms / 1000,
            queue=settings.picture_queue,
            deadline=settings.deadline_seconds,
        )

    def submit(self, items: Sequence[PictureJob]) -> list[asyncio.Task[PictureJob]]:
        """Takes on all pictures, or none. Cancelling a task withdraws its picture.

        Raises:
            Refusal: what `accept` says; too many pictures wait already; the server is shutting down. From a task: the
                bytes are not a picture that is read; it took too long.
        """
        self.accept(items)
        return super().submit(items)

    def accept(self, items: Sequence[PictureJob]) -> None:
        """Settles how pictures are captioned.

        Raises:
            Refusal: a prefix has words that the captioner does not know, or there are no tags to mention.
        """
        try:
            prefixes = {text: self._captioner.encode_prefix(text) for text in {job.decoding.prefix for job in items}}
        except UnknownPrefixError as error:
            raise Refusal("invalid_parameter", f"prefix: {error}", "prefix") from error
        if self._captioner.tags is None:
            for job in items:
                for name, off in (("mention", 1), ("people", 0)):
                    if (value := getattr(job.decoding, name)) != off:
                        raise Refusal("invalid_parameter", f"{name}={value:g}: {NO_TAGS.format(off=off)}", name)
        for job in items:
            job.prefix = prefixes[job.decoding.prefix]
            job.told = self._wording.model_copy(update=dict(job.wording))

    def supply(self, item: PictureJob) -> AbstractAsyncContextManager[None]:
        return item.supply

    def takes_long(self, item: PictureJob) -> bool:
        most = {"max_pixels": self._settings.max_pixels, "max_side": self._settings.max_dimension}
        with _told():
            item.file = self._captioner.open(item.data, **most)
        item.data = b""
        return item.file.takes_long

    def prepare(self, item: PictureJob) -> PictureJob:
        began = time.perf_counter()
        with _told():
            item.picture = item.file.read()
        del item.file
        item.pixels = self._captioner.preprocess(item.picture.rgb)  # (3, S, S)
        item.seconds = {"decode": time.perf_counter() - began}
        self._stages["decode"].observe(item.seconds["decode"])
        item.picture.rgb.close()
        if item.listener:
            item.listener.decoded(item.picture)
        return item

    def kind(self, item: PictureJob) -> Hashable:
        return item.decoding, item.attention, item.top_logprobs

    def run(self, batch: Sequence[PictureJob]) -> Sequence[PictureJob]:
        captioner, first = self._captioner, batch[0]
        words = [
            WordObserver(captioner.words, place, draws=job.decoding.method == "sample", tell=job.listener.word)
            for place, job in enumerate(batch)
            if job.listener and not job.told.min_confidence  # else all that is said may have to be taken back
        ]
        trees = {place: TreeObserver(captioner.vocabulary, place) for place, job in enumerate(batch) if job.tree}
        with self.cores.whole():
            began = time.perf_counter()
            grids = captioner.encode(torch.stack([job.pixels for job in batch]))  # (B, P, E)
            wanted = any(job.tag or job.told.min_confidence for job in batch)
            tags = captioner.tag(grids, neutral=first.decoding.neutral) if wanted else [[] for _ in batch]
            if grids.is_cuda:
                torch.cuda.synchronize()
            encode = time.perf_counter() - began
        with self.cores.whole():  # anew, so that a text does not have to wait for both
            began = time.perf_counter()
            found = captioner.generate(
                grids,
                first.decoding,
                prefix=first.prefix,
                attention=first.attention,
                top_logprobs=first.top_logprobs,
                observers=[*words, *trees.values()],
            )
            ended = time.perf_counter()
            generate = ended - began
        self._stages["encode"].observe(encode)
        self._stages["generate"].observe(generate)
        for place, (job, captions) in enumerate(zip(batch, found, strict=True)):
            job.captions = [worded(caption, tags[place], job.told) for caption in captions]
            job.tags = tags[place] if job.tag else None
            self._withheld.inc(any(caption.needs_review for caption in job.captions[:1]))
            job.beams = trees[place].tree if job.tree else None
            queue = ended - job.asked - job.seconds["decode"] - encode - generate
            job.seconds |= {"queue": queue, "encode": encode, "generate": generate}
        return batch

    def open_lanes(self) -> int:
        # The tagger stays in torch and takes a thread, as all of torch beside programs, for two products with a vector.
        if self.cores.shares == 1 or not can_share(self._captioner.decoder):
            return 1
        with self.cores.shared():
            _warm_up(self._captioner)
        return self.cores.shares


def load_worker(checkpoint: Checkpoint[CaptionerConfig, Captioner], resources: Resources) -> PictureWorker:
    """Loads a captioner and warms it up.

    Raises:
        CheckpointError: a file was changed or cut; the message says which and how.
    """
    captioner = resources.loader.load(checkpoint)
    _warm_up(captioner)
    return PictureWorker(checkpoint.name, captioner, resources)


@contextmanager
def _told() -> Iterator[None]:
    """Raise what is wrong with a picture as a refusal."""
    try:
        yield
    except PictureError as error:
        raise Refusal(error.code, str(error), "image") from error


def _warm_up(captioner: Captioner) -> None:
    captioner.caption([Image.new("RGB", (64, 64))])
