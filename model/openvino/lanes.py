"""The processor's cores, for several threads that want them: all at a time, or a share each.

A call of a network takes all cores, and two such calls side by side take far longer than one after the other. Under
load, more gets done if several calls run at the same time on a share of the cores each. A thread says which it wants
with `CoreLock.whole` or `CoreLock.shared`; a `Program` reads `current_lane` to pick one of its infer requests.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from queue import LifoQueue

from torch import nn


class CoreLock:
    """A lock on the cores that goes to waiting threads in the order in which they came, whole or in shares.

    A plain lock would go back to the thread that has just released it and asks again, as one that writes text does.
    As many threads as there are shares may compute at the same time, if each takes a share.
    """

    def __init__(self, shares: int = 1) -> None:
        self.shares = shares
        self._guard = threading.Lock()
        self._free = shares
        self._waiting: deque[tuple[int, threading.Lock]] = deque()
        self._lanes: LifoQueue[int] = LifoQueue()
        for number in reversed(range(shares)):
            self._lanes.put(number)

    @property
    def wanted(self) -> bool:
        """True while a thread waits."""
        return bool(self._waiting)

    def whole(self) -> AbstractContextManager[None]:
        """Holds all cores until the context ends. Does nothing within `shared`, where programs hold their shares."""
        return nullcontext() if current_lane() else self._hold(self.shares)

    def share(self) -> AbstractContextManager[None]:
        """Holds a share of the cores. Programs do this for each call within `shared`."""
        return self._hold(1)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Gives this thread a lane: programs that it calls hold a share of the cores, each for as long as it computes.

        There are as many lanes as shares; a further thread waits for one. Whatever runs in torch holds nothing.
        """
        number = self._lanes.get()
        _thread.lane = Lane(self, number)
        try:
            yield
        finally:
            _thread.lane = None
            self._lanes.put(number)

    @contextmanager
    def _hold(self, needed: int) -> Iterator[None]:
        mine = threading.Lock()
        mine.acquire()
        with self._guard:
            self._waiting.append((needed, mine))
            self._admit()
        mine.acquire()
        try:
            yield
        finally:
            with self._guard:
                self._free += needed
                self._admit()

    def _admit(self) -> None:
        """Lets waiting threads in, as long as there is room for the first of them."""
        while self._waiting and self._waiting[0][0] <= self._free:
            needed, theirs = self._waiting.popleft()
            self._free -= needed
            theirs.release()


@dataclass(frozen=True)
class Lane:
    """A thread's place among those that share the cores."""

    cores: CoreLock
    number: int  # from 0 to below `cores.shares`; no other thread has the same at the same time


class _Thread(threading.local):
    lane: Lane | None = None


_thread = _Thread()


def current_lane() -> Lane | None:
    """The lane of the calling thread; None outside `CoreLock.shared`, where a network may take all cores."""
    return _thread.lane


def can_share(model: nn.Module) -> bool:
    """True if a model computes in programs alone. Torch, where its weights are, always takes all cores."""
    return next(model.parameters(), None) is None
