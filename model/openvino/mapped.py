"""Memory of weights that OpenVINO has mapped from the cache, and needs no more."""

import ctypes
from contextlib import suppress
from pathlib import Path

_PAGEOUT = 21
"""Linux's MADV_PAGEOUT, which loses nothing whatever memory it is told of: by then, another thread may have unmapped
the file and put something else in its place."""


def release_mapped(folder: Path) -> None:
    """Takes the mapped files of a folder out of the process's resident memory.

    Networks read the weights as they were packed for their first call, but a compiled network holds on to the original
    constants. They take 65 MB for the published checkpoints, mapped or read (`ENABLE_MMAP=False`), even if the
    `openvino.Model` is gone. If the process reads them again, they come back from the file. Without Linux's `/proc`
    this does nothing.
    """
    with suppress(OSError):
        files = f" {folder.resolve()}/"
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, access, *_ = line.split(maxsplit=2)
            if files in line and access == "r--s":  # read-only and shared with the file
                begin, end = (int(address, 16) for address in span.split("-"))
                ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _PAGEOUT)
