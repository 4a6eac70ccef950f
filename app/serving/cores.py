"""Who may use the processor's cores, when several want all of them."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that goes to those who wait for it in the order in which they came, whole or in shares.

    A call of a network takes all cores, unless it is made for a share of them, and two that take all side by side take
    far longer than one after the other. A plain lock would go back to whoever has just let go of it and asks again,
    which is what a writer of text does all day.

    Args:
        shares: how many may have a share at the same time.
    """

    def __init__(self, shares: int = 1) -> None:
        self._guard = threading.Lock()
        self._shares = self._free = shares
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether anyone waits."""
        return bool(self._waiting)

    @contextmanager
    def turn(self, *, share: bool = False) -> Iterator[None]:
        """Waits for its turn, and ends it."""
        needed = 1 if share else self._shares
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
        """Lets in who waits, as far as there is room for the first of them."""
        while self._waiting and self._waiting[0][0] <= self._free:
            needed, theirs = self._waiting.popleft()
            self._free -= needed
            theirs.release()
