"""Requests to batches and back: requests that arrive at about the same time run together."""

import asyncio
import itertools
import logging
import math
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio.to_thread

from app.errors import Refusal, draining
from app.serving.worker import Resources, Worker

Item = TypeVar("Item")
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Waiting(Generic[Item]):
    """An item that is ready for a batch."""

    item: Item
    number: int
    """Its place in the order in which items became ready."""
    future: asyncio.Future[Item]
    since: float
    """When its wait began; later by the time that it was being prepared."""


class Batcher(Worker, Generic[Item]):
    """A worker that prepares items one by one, on threads, and runs those that are ready in batches, on another.

    With lanes, further batches run at the same time, as soon as a full one waits and as long as each is at least half
    full.

    A task's worker implements `prepare` and `run`, which threads call. All other methods belong on the event loop.

    Args:
        task, model: the labels of metrics.
        noun: plural of what an item is, for messages.
        size: largest batch. With lanes, a batch outside them takes at most half of it.
        pause: seconds that a batch waits for one more item, while one is being prepared or if the last batch had
            more than one.
        queue: most items that wait, besides as many as one batch takes.
        deadline: seconds after which an item is given up.
        clock, sleep: the time in seconds, and a sleep by it.
    """

    def __init__(
        self,
        task: str,
        model: str,
        noun: str,
        resources: Resources,
        *,
        size: int,
        pause: float,
        queue: int,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(noun, queue + size)
        metrics = resources.metrics
        self.cores = resources.cores
        self._preparers = resources.preparers
        self._slow_preparers = resources.slow_preparers
        self._share = resources.settings.decode_threads
        self._queue_seconds = metrics.queue_seconds.labels(task)
        self._batch_size = metrics.batch_size.labels(task)
        self._items = metrics.items.labels(task, model)
        self._size = size
        self._half = size
        """With lanes, half of the size: largest batch outside them, and smallest one that starts beside others."""
        self._pause = pause
        self._deadline = deadline
        self._clock = clock
        self._sleep = sleep
        self._name = f"batches of {model}"
        self._threads = ThreadPoolExecutor(1, self._name)
        self._running: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Item]] = set()
        self._ready: dict[Hashable, deque[_Waiting[Item]]] = {}
        """Items that wait for a batch, by their kind: none of these lists is empty."""
        self._numbers = itertools.count()
        self._preparing = 0
        self._lanes = 0
        """Lanes without a batch."""
        self._at_work: list[bool] = []
        """For each batch that is running, whether it is on a lane."""
        self._company = False
        """True if the last batch had more than one item."""
        self._changed = asyncio.Event()

    def supply(self, item: Item) -> AbstractAsyncContextManager[None]:
        """The context in which an item is prepared; there it may get what it lacks, on the event loop."""
        return nullcontext()

    def takes_long(self, item: Item) -> bool:
        """Looks at an item, and tells whether to prepare it takes more than some tenths of a second."""
        return False

    @abstractmethod
    def prepare(self, item: Item) -> Item:
        """Makes an item ready for the network; an exception goes to its owner alone."""

    @abstractmethod
    def run(self, batch: Sequence[Item]) -> Sequence[Item]:
        """Runs the network on items of one kind. When it fails, each item is run again alone."""

    def kind(self, item: Item) -> Hashable:
        """Items of different kinds never share a batch."""
        return None

    def open_lanes(self) -> int:
        """Makes the network ready for several batches at the same time, and returns how many; 1 if it stays at one."""
        return 1

    def submit(self, items: Sequence[Item]) -> list[asyncio.Task[Item]]:
        """Takes on all items, or none. Cancelling a task withdraws its item.

        Raises:
            Refusal: too many items wait already; the server is shutting down. From a task: its time is up, or
                whatever its preparation raised.
        """
        self.enter(len(items))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        turns = asyncio.Semaphore(self._share)  # many items of one caller do not stand before one of another
        tasks = [asyncio.create_task(self._attend(item, turns)) for item in items]
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._leave)
        return tasks

    def room_for(self, items: int) -> int:
        return self._room if items == 1 else self._room // 2  # several together leave some for those who have one

    async def widen(self) -> None:
        lanes = await anyio.to_thread.run_sync(self.open_lanes, abandon_on_cancel=True)
        if lanes > 1:
            self._half = math.ceil(self._size / 2)
            self._lanes = lanes
            self._threads.shutdown(wait=False)
            self._threads = ThreadPoolExecutor(1 + lanes, self._name)

    async def close(self) -> None:
        """Gives up all items that are not running yet, and takes on nothing more."""
        self.closed = True
        for waiting in itertools.chain(*self._ready.values()):
            if not waiting.future.done():
                waiting.future.set_exception(draining())
        self._ready.clear()
        self._changed.set()
        self._threads.shutdown(wait=False)

    def _leave(self, task: asyncio.Task[Item]) -> None:
        self._tasks.discard(task)
        self.leave(1)

    async def _attend(self, item: Item, turns: asyncio.Semaphore) -> Item:
        """Follows an item from its arrival to its result."""
        try:
            return await self._within(self._deadline, self._follow(item, turns))
        except TimeoutError:
            message = f"it was not done within {self._deadline:g} s, and is given up"
            raise Refusal("deadline_exceeded", message) from None

    async def _follow(self, item: Item, turns: asyncio.Semaphore) -> Item:
        loop = asyncio.get_running_loop()
        asked = self._clock()
        self._preparing += 1
        try:
            self.require_open()
            async with turns, self.supply(item):
                prepared = await loop.run_in_executor(self._preparers, self._prepare, item, False)
                if prepared is None:
                    prepared = await loop.run_in_executor(self._slow_preparers, self._prepare, item, True)
                assert prepared
            item, seconds = prepared
            self.require_open()
        finally:
            self._preparing -= 1
            self._changed.set()
        waiting: _Waiting[Item] = _Waiting(item, next(self._numbers), loop.create_future(), asked + seconds)
        kind = self.kind(item)
        self._ready.setdefault(kind, deque()).append(waiting)
        try:
            return await waiting.future
        except asyncio.CancelledError:
            if waiting in self._ready.get(kind, ()):
                self._remove(kind, waiting)
            raise

    def _prepare(self, item: Item, slowly: bool) -> tuple[Item, float] | None:
        """The item, ready, and the seconds that it took; None if that would take long, and this is not where it may."""
        self.require_open()  # on its thread, since it may have waited for one
        began = self._clock()
        if not slowly and self.takes_long(item):
            return None
        return self.prepare(item), self._clock() - began

    async def _run(self) -> None:
        """Starts batches until closed."""
        async with asyncio.TaskGroup() as batches:
            while not self.closed:
                await self._gather()
                if not self._ready:  # closed, or withdrawn
                    continue
                on_lane = bool(self._at_work)
                batch = self._take(self._size if on_lane else self._half)
                self._lanes -= on_lane
                self._at_work.append(on_lane)
                batches.create_task(self._see_through(batch, on_lane))

    async def _gather(self) -> None:
        """Waits until a batch may start that is full, or will not grow shortly; or until closed."""
        while self._alike() < self._enough() and not self.closed:
            self._changed.clear()
            await self._changed.wait()
        seen, grown = 0, 0.0
        while (alike := self._alike()) < self._half and (self._preparing or self._expecting()):
            if alike > seen:
                seen, grown = alike, self._clock()
            wait = grown + self._pause - self._clock()
            if wait <= 0:
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await self._within(wait, self._changed.wait())

    def _expecting(self) -> bool:
        """Tells whether clients of the last batch are likely to be back with their next."""
        return self._company and not self._at_work

    def _enough(self) -> float:
        """The number of items that have to be ready for another batch to start."""
        if not self._at_work:
            return 1
        if not self._lanes:
            return math.inf
        return self._half if all(self._at_work) else self._size

    def _alike(self) -> int:
        """The number of items that are ready and of the kind of the first of them."""
        return len(self._ready[self._first()]) if self._ready else 0

    def _first(self) -> Hashable:
        """The kind of the item that was ready first."""
        return min(self._ready, key=lambda kind: self._ready[kind][0].number)

    def _take(self, most: int) -> list[_Waiting[Item]]:
        """Takes the item that was ready first, and others of its kind."""
        kind = self._first()
        batch = list(itertools.islice(self._ready[kind], most))
        for waiting in batch:
            self._remove(kind, waiting)
        return batch

    def _remove(self, kind: Hashable, waiting: _Waiting[Item]) -> None:
        self._ready[kind].remove(waiting)
        if not self._ready[kind]:
            del self._ready[kind]

    async def _see_through(self, batch: list[_Waiting[Item]], on_lane: bool) -> None:
        """Follows a batch from its start to its results."""
        began = self._clock()
        self._batch_size.observe(len(batch))
        for waiting in batch:
            self._queue_seconds.observe(began - waiting.since)
        items = [waiting.item for waiting in batch]
        results = await asyncio.get_running_loop().run_in_executor(self._threads, self._results, items, on_lane)
        took = (self._clock() - began) / len(batch) / len(self._at_work)
        self.seconds = (self.seconds + took) / 2
        self._company = len(batch) > 1
        self._at_work.remove(on_lane)
        self._lanes += on_lane
        self._changed.set()
        for waiting, result in zip(batch, results, strict=True):
            if not isinstance(result, Exception):
                self._items.inc()
            if waiting.future.done():
                continue
            if isinstance(result, Exception):
                waiting.future.set_exception(result)
            else:
                waiting.future.set_result(result)

    def _results(self, batch: Sequence[Item], on_lane: bool) -> Sequence[Item | Exception]:
        with self.cores.shared() if on_lane else nullcontext():
            try:
                return self.run(batch)
            except Exception as error:
                if len(batch) == 1:
                    return [error]
                logger.warning("a batch of %d failed, so each of them runs alone", len(batch), exc_info=True)
                return [self._results([item], on_lane=False)[0] for item in batch]  # on the lane that this thread has

    async def _within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, or TimeoutError after so many seconds."""
        tasks = asyncio.ensure_future(work), asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                return tasks[0].result()
            raise TimeoutError
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
