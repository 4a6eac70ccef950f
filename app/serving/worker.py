"""The contract of workers: one for each checkpoint, by whichever scheduler suits its task."""

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from app.errors import Refusal, draining
from app.serving.loading import Loader
from app.serving.metrics import Metrics
from app.settings import Settings
from model.checkpoint import Checkpoint
from model.openvino.lanes import CoreLock


class Resources:
    """The settings, devices, cores and threads that all workers of a process share; raises what `Loader` does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loader = Loader(settings)
        self.cores = CoreLock(self.loader.lanes)
        self.metrics = Metrics()
        self.preparers = ThreadPoolExecutor(settings.decode_threads, "prepare")
        """Threads on which items are prepared: decoded, converted."""
        self.slow_preparers = ThreadPoolExecutor(settings.decode_threads, "prepare slowly")
        """Threads for items that take long to prepare, so that the others do not wait for these."""

    def close(self) -> None:
        self.preparers.shutdown(wait=False)
        self.slow_preparers.shutdown(wait=False)


class Worker(ABC):
    """A loaded checkpoint and the threads that run it. Counts the items that it has taken on, and refuses too many.

    A caller who finds none pending may submit any number: there will be no better time. How items are submitted is the
    scheduler's own: `Batcher.submit`, or `TextWorker.generate`.

    Args:
        noun: plural of what an item is, for messages.
        room: most items that are pending at a time.
    """

    def __init__(self, noun: str, room: int) -> None:
        self.pending = 0
        """Items that were taken on and have no result yet."""
        self.closed = False
        self.seconds = 0.0
        """Time that an item took recently."""
        self._noun = noun
        self._room = room
        self._count = threading.Lock()

    async def widen(self) -> None:  # noqa: B027 (most have no need to)
        """Prepares to run several batches at the same time, where that pays off."""

    @abstractmethod
    async def close(self) -> None:
        """Gives up what waits and takes on nothing more."""

    def require_room(self, items: int = 1) -> None:
        """Raises a `Refusal` if too many items wait already, or the server is shutting down; on any thread."""
        self.require_open()
        if self.pending and self.pending + items > self.room_for(items):
            seconds = max(1, math.ceil(self.pending * self.seconds))
            message = f"{self.pending:,} {self._noun} wait already, and no more are taken; try again in {seconds} s"
            raise Refusal("queue_full", message, retry_after=seconds)

    def room_for(self, items: int) -> int:
        """Most items that may be pending with these."""
        return self._room

    def require_open(self) -> None:
        """Raises a `Refusal` if the server is shutting down."""
        if self.closed:
            raise draining()

    def enter(self, items: int) -> None:
        """Takes on all items, or none; raises what `require_room` does."""
        with self._count:
            self.require_room(items)
            self.pending += items

    def leave(self, items: int) -> None:
        """Counts off items that have a result or were withdrawn."""
        with self._count:
            self.pending -= items


class Service(Protocol):
    """A task, as far as the engine knows it."""

    @property
    def default(self) -> str:
        """Name of the checkpoint that answers when neither a request nor a setting names one."""

    @property
    def worker(self) -> Callable[[Checkpoint[Any, Any], Resources], Worker]:
        """Loads a checkpoint, warms it up and returns its worker; blocks."""
