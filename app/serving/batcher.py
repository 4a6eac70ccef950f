"""Requests to batches and back: who comes at the same time goes together. Knows no HTTP."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from app.errors import Refusal, draining
from app.serving.returns import Returns

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class Batcher(Generic[Item, Ready, Result]):
    """Items are made ready one by one, by a few threads; another thread works on all that are ready, in batches.

    Where there are lanes, others work on more batches at the same time, as soon as a full one waits, and for as long as
    each can be half full.

    All methods belong on the event loop, where `run` must be running.

    Args:
        prepare: makes an item ready. What it raises is the item's owner's alone.
        work: turns what is ready into as many results. It is told its lane, or None of a batch that is on none. Should
            it fail, each item goes again alone, so that one that can't be worked on fails no other.
        threads: how many make items ready.
        size: most items in a batch. Where there are lanes, one that is on none has half as many, while others are made
            ready.
        pause: seconds that a batch waits for another item, which is being made ready, or likely to come.
        queue: most items that wait, beside as many as one batch takes.
        deadline: seconds after which an item is given up.
    """

    def __init__(
        self,
        prepare: Callable[[Item], Ready],
        work: Callable[[Sequence[Ready], int | None], Sequence[Result]],
        *,
        threads: int,
        size: int,
        pause: float,
        queue: int,
        deadline: float,
    ) -> None:
        self._prepare = prepare
        self._work = work
        self._size = size
        self._half = size
        """Where there are lanes, half of the size: most on none, and least for another while some are at work."""
        self._pause = pause
        self._room = queue + size
        self._deadline = deadline
        self._preparers = ThreadPoolExecutor(threads, "prepare")
        self._workers = ThreadPoolExecutor(1, "work")
        self._tasks: set[asyncio.Task[Result]] = set()
        self._ready: deque[tuple[Ready, asyncio.Future[Result]]] = deque()
        self._preparing = 0
        self._free: list[int] = []
        """Lanes that no batch is on."""
        self._at_work: list[int | None] = []
        """The lanes of the batches that are worked on."""
        self._changed = asyncio.Event()
        self._returns = Returns(pause)
        self._closed = False
        self._seconds = 0.0
        """That an item has taken of late."""

    def widen(self, lanes: int) -> None:
        """Works on so many batches, two or more, at the same time from now on, when enough wait."""
        self._half = math.ceil(self._size / 2)
        self._free = list(range(lanes))
        self._workers.shutdown(wait=False)
        self._workers = ThreadPoolExecutor(1 + lanes, "work")

    @property
    def pending(self) -> int:
        """Items that have no result yet."""
        return len(self._tasks)

    def require_room(self, items: int = 1) -> None:
        """
        Raises:
            Refusal: too many wait already; closed.
        """
        if self._closed:
            raise draining()
        # Who finds nobody there never asks for too much: there will be no better time.
        if self.pending and self.pending + items > self._room:
            seconds = max(1, math.ceil(self.pending * self._seconds))
            message = f"{self.pending:,} pictures wait already, and no more are taken; try again in {seconds} s"
            raise Refusal("queue_full", message, retry_after=seconds)

    def submit(self, items: Sequence[Item]) -> list[asyncio.Task[Result]]:
        """Takes on all items, or none. Who cancels a task withdraws its item.

        Raises:
            Refusal: as `require_room`; when its time is up.
        """
        self.require_room(len(items))
        self._returns.came(len(items), time.monotonic())
        tasks = [asyncio.create_task(self._attend(item)) for item in items]
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return tasks

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as batches:
            while True:
                await self._gather()
                on_lane = bool(self._at_work)
                most = self._size if on_lane else self._half
                taken = [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
                batch = [(item, future) for item, future in taken if not future.done()]  # the others were withdrawn
                if batch:
                    lane = self._free.pop() if on_lane else None
                    self._at_work.append(lane)
                    batches.create_task(self._see_through(batch, lane))

    async def _see_through(self, batch: list[tuple[Ready, asyncio.Future[Result]]], lane: int | None) -> None:
        """Follows a batch from its beginning to its results."""
        started = time.monotonic()
        items = [item for item, _ in batch]
        results = await asyncio.get_running_loop().run_in_executor(self._workers, self._results, items, lane)
        self._seconds = (self._seconds + (time.monotonic() - started) / len(batch) / len(self._at_work)) / 2
        self._at_work.remove(lane)
        self._returns.left(len(batch), time.monotonic())
        if lane is not None:
            self._free.append(lane)
        self._changed.set()
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def close(self) -> None:
        """Gives up all that is not worked on yet, and takes on nothing more."""
        self._closed = True
        for _, future in self._ready:
            if not future.done():
                future.set_exception(draining())
        self._ready.clear()
        self._preparers.shutdown(wait=False)
        self._workers.shutdown(wait=False)

    async def _attend(self, item: Item) -> Result:
        """Follows an item from its arrival to its result."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline):
                self._preparing += 1
                try:
                    self._require_open()
                    ready = await loop.run_in_executor(self._preparers, self._prepare_item, item)
                    self._require_open()
                finally:
                    self._preparing -= 1
                    self._changed.set()
                future: asyncio.Future[Result] = loop.create_future()
                self._ready.append((ready, future))
                return await future
        except TimeoutError:
            message = f"it was not done within {self._deadline:g} s, and is given up"
            raise Refusal("deadline_exceeded", message) from None

    async def _gather(self) -> None:
        """Returns when another batch may begin, and no more will be ready shortly, or as many as it takes."""
        while len(self._ready) < self._enough():
            self._changed.clear()
            await self._changed.wait()
        ready, grown = 0, 0.0
        while len(self._ready) < self._half and (self._preparing or self._expecting()):
            if len(self._ready) > ready:
                ready, grown = len(self._ready), time.monotonic()
            wait = max(grown, self._returns.heard) + self._pause - time.monotonic()
            if wait <= 0:
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)

    def _expecting(self) -> bool:
        return not self._at_work and self._returns.expected(time.monotonic())

    def _enough(self) -> float:
        """How many have to be ready for another batch to begin."""
        if not self._at_work:
            return 1
        if not self._free:
            return math.inf
        return self._size if None in self._at_work else self._half

    def _require_open(self) -> None:
        if self._closed:
            raise draining()

    def _prepare_item(self, item: Item) -> Ready:
        self._require_open()  # on its thread: others may have had to wait for it
        return self._prepare(item)

    def _results(self, batch: Sequence[Ready], lane: int | None) -> Sequence[Result | Exception]:
        try:
            return self._work(batch, lane)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            logger.warning("a batch of %d failed, so each goes alone", len(batch), exc_info=True)
            return [self._results([item], lane)[0] for item in batch]
