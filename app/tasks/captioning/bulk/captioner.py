"""Shards to captions, on all cores: the same shard gets the same bytes, whoever does it."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Semaphore
from typing import Self

from app.errors import Refusal
from app.http.body import parse
from app.serving.worker import Resources
from app.settings import Settings
from app.tasks.captioning.bulk.plan import Plan, PlanError, Shard
from app.tasks.captioning.bulk.sources import Reader, name_of
from app.tasks.captioning.bulk.storage import UnreadableError
from app.tasks.captioning.files import Line, caption_line, error_line, to_json
from app.tasks.captioning.parameters import CaptionerCheckpoint, CaptionParameters, picture_job
from app.tasks.captioning.service import PictureJob, load_worker

DIGITS = 4
"""Digits of log-probabilities and confidences after the point: what different CPUs agree on."""
_READERS = 16
"""Files read at the same time, since those of a bucket take long to come."""
_AHEAD = 3
"""Batches that are read and decoded beyond those that are captioned."""


class ShardCaptioner:
    """A captioner of a plan's shards.

    A batch is always of the same pictures: their company may change the last digit of a probability.

    Raises:
        PlanError: the model is not the plan's.
        CheckpointError, ValueError: it can't be loaded.
    """

    def __init__(self, plan: Plan, checkpoint: CaptionerCheckpoint, settings: Settings) -> None:
        if checkpoint.sha256 != plan.model["sha256"]:
            there, wanted = checkpoint.sha256[:12], plan.model["sha256"][:12]
            raise PlanError(f"{checkpoint.path} has the digest {there}, and the plan's model has {wanted}")
        self._plan, self._checkpoint, self._settings = plan, checkpoint, settings
        self._asked = parse(CaptionParameters, dict(plan.parameters))
        self._resources = Resources(settings)
        self._worker = load_worker(checkpoint, self._resources)
        self._lanes = self._worker.open_lanes()
        self._source = plan.open_source()
        self._place = plan.place
        self._decoding = Semaphore(settings.decode_threads)
        self._readers = ThreadPoolExecutor(_READERS, "read")
        self._runners = ThreadPoolExecutor(self._lanes, "caption")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._readers.shutdown(cancel_futures=True)
        self._runners.shutdown(cancel_futures=True)
        self._resources.close()
        self._source.close()

    def run(self, numbers: Iterable[int]) -> Iterator[tuple[Shard, int]]:
        """Captions shards and puts their files in place; yields each, with the number of its errors, once it is there.

        The next shard's pictures are read while one is captioned.

        Raises:
            OSError, StorageError: something can't be read or written now; what is done stays.
        """
        waiting: deque[_Batch] = deque()
        told: list[Line] = []
        for batch in self._batches(numbers):
            waiting.append(batch)
            if len(waiting) > self._lanes + _AHEAD:
                yield from self._finish(waiting.popleft(), told)
        while waiting:
            yield from self._finish(waiting.popleft(), told)

    def _batches(self, numbers: Iterable[int]) -> Iterator["_Batch"]:
        """The batches of shards, on their way to captions."""
        size = self._settings.batch_size
        for shard in self._plan.read(iter(numbers)):
            names, readers = map(name_of, shard.rows), self._source.readers(shard.rows, shard.first)
            pictures = list(zip(names, readers, strict=True))
            for start in range(0, len(pictures), size):
                some = pictures[start : start + size]
                prepared = [self._readers.submit(self._prepare, name, reader) for name, reader in some]
                lines = self._runners.submit(self._caption, [name for name, _ in some], prepared)
                yield _Batch(shard, start + size >= len(pictures), lines)

    def _finish(self, batch: "_Batch", told: list[Line]) -> Iterator[tuple[Shard, int]]:
        """Adds a batch's lines to those of its shard, which is written with its last batch."""
        told += batch.lines.result()
        if batch.last:
            self._place.write(self._plan.file(batch.shard.number), b"".join(map(to_json, told)))
            errors = sum("error" in line for line in told)
            told.clear()
            yield batch.shard, errors

    def _prepare(self, name: str, reader: Reader) -> PictureJob | Line:
        """A picture that is ready for the network, or the line that says why it is not."""
        try:
            job = picture_job(self._checkpoint, self._asked, reader())
            self._worker.accept([job])
            with self._decoding:
                self._worker.takes_long(job)
                return self._worker.prepare(job)
        except UnreadableError as error:
            return error_line(name, "unreadable_file", str(error))
        except Refusal as error:
            return error_line(name, error.code, error.message)

    def _caption(self, names: Sequence[str], prepared: Sequence[Future[PictureJob | Line]]) -> list[Line]:
        """The lines of a batch, whose pictures may still be on their way."""
        found = [future.result() for future in prepared]
        jobs = [job for job in found if isinstance(job, PictureJob)]
        if jobs:
            with self._worker.cores.shared() if self._lanes > 1 else nullcontext():
                self._worker.run(jobs)
        return [
            caption_line(name, one, digits=DIGITS) if isinstance(one, PictureJob) else one
            for name, one in zip(names, found, strict=True)
        ]


@dataclass(frozen=True)
class _Batch:
    """Some pictures of a shard."""

    shard: Shard
    last: bool
    """True if no picture of the shard comes after them."""
    lines: Future[list[Line]]
