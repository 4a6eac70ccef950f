"""A lock over the processor's cores, for threads that each want all of them."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class CoreLock:
    """A lock that is granted in the order of arrival, whole or in shares.

    A network takes all cores unless it is compiled for a share of them, and two that take all cores side by side are
    far slower than one after the other. A plain lock would go straight back to a thread that releases it and asks
    again, which is what a thread that writes text does all day.

    Args:
        shares: how many threads may hold a share at the same time.
    """

    def __init__(self, shares: int = 1) -> None:
        self._guard = threading.Lock()
        self._shares = self._free = shares
        self._queue: deque[tuple[int, threading.Lock]] = deque()
        self._thread = threading.local()

    @property
    def waiting(self) -> int:
        """Number of threads that wait for it."""
        return len(self._queue)

    @property
    def lane(self) -> int | None:
        """The lane of this thread; None outside `on_lane`."""
        return getattr(self._thread, "lane", None)

    @contextmanager
    def on_lane(self, lane: int | None) -> Iterator[None]:
        """Declares that this thread runs networks that take a share each, by themselves; `hold` does nothing there."""
        self._thread.lane = lane
        try:
            yield
        finally:
            self._thread.lane = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Holds all cores; blocks until they are free."""
        if self.lane is None:
            with self._held(self._shares):
                yield
        else:
            yield

    @contextmanager
    def hold_share(self) -> Iterator[None]:
        """Holds one share; blocks until one is free."""
        with self._held(1):
            yield

    @contextmanager
    def _held(self, needed: int) -> Iterator[None]:
        mine = threading.Lock()
        mine.acquire()
        with self._guard:
            self._queue.append((needed, mine))
            self._admit()
        mine.acquire()
        try:
            yield
        finally:
            with self._guard:
                self._free += needed
                self._admit()

    def _admit(self) -> None:
        """Grants the lock to waiting threads, in order, as long as the first of them finds enough shares free."""
        while self._queue and self._queue[0][0] <= self._free:
            needed, theirs = self._queue.popleft()
            self._free -= needed
            theirs.release()
