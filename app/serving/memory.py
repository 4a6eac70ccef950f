"""Memory that was freed, given back to the system."""

import ctypes
import os
import threading
import time
from pathlib import Path

GROWN = 32_000_000
"""Bytes by which the process has to have grown for another try."""
BUSY_SECONDS = 10.0
"""Seconds between tries while there is work to do, which may need the same memory again."""

_M_MMAP_THRESHOLD = -3
_LARGE = 15 * 2**20
"""Bytes; what is larger goes back to the system as soon as it is freed. By itself glibc learns to keep up to 32 MB of
each piece, in every thread: the pixels of a large picture as often as there are threads."""

_STATM = Path("/proc/self/statm")


class Trimmer:
    """Gives freed memory back after the process has grown: glibc keeps what large bodies and batches have left.

    It is asked now and then, and has nothing to do with any request: a try takes some milliseconds, on a thread of its
    own. Elsewhere than on Linux with glibc it does nothing.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None) if _STATM.exists() else None
        if self._trim:
            library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        self._least = resident() if self._trim else 0
        """Bytes that were resident at the last try, or the fewest since."""
        self._tried = 0.0

    def tick(self, *, busy: bool) -> None:
        """Tries if the process has grown, and nothing is to be done, or has been for a while."""
        if self._trim is None:
            return
        now, size = time.monotonic(), resident()
        self._least = min(self._least, size)
        if size - self._least >= GROWN and (not busy or now - self._tried >= BUSY_SECONDS):
            self._tried = now
            threading.Thread(target=self._run, name="trim", daemon=True).start()

    def _run(self) -> None:
        assert self._trim
        self._trim(0)
        self._least = resident()


def resident() -> int:
    """Bytes of the process in memory."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
