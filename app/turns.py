"""Who may use the processor's cores, when several want all of them."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that goes to those who wait for it in the order in which they came.

    A call of a network takes all cores, and two calls side by side take far longer than one after the other. A plain
    lock would go back to whoever has just let go of it and asks again, which is what a writer of text does all day.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    @property
    def wanted(self) -> bool:
        """Whether anyone waits."""
        return bool(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for its turn, and ends it."""
        with self._guard:
            if self._taken:
                mine = threading.Lock()
                mine.acquire()
                self._waiting.append(mine)
            else:
                self._taken = True
                mine = None
        if mine:
            mine.acquire()
        try:
            yield
        finally:
            with self._guard:
                if self._waiting:
                    self._waiting.popleft().release()
                else:
                    self._taken = False
