"""Files that are whole or not there, also after a crash or a power cut, and whose reading comes to an end."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

LARGEST = 2**30
"""Bytes of the largest file that is read as a whole: more than any picture whose pixels are decoded."""


def require_regular(path: Path) -> None:
    """Raises an OSError for a pipe, which may keep its reader waiting, or a device, which may have no end.

    A folder and a file that is missing have errors of their own.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bytes(path: Path) -> bytes:
    """The contents of a file.

    Raises:
        OSError: it can't be read, is no regular file, or has more than `LARGEST` bytes.
    """
    require_regular(path)
    if path.stat().st_size > LARGEST:
        raise OSError(errno.EFBIG, f"more than {LARGEST:,} bytes", str(path))
    return path.read_bytes()


def fsync(path: Path) -> None:
    """Makes the contents of a file durable, or the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the path of a file to write; it takes the place of `path` once it is safely on disk.

    If the block raises, the file is removed and `path` stays as it was, which is never a device or a pipe: that is an
    OSError. An OSError names `path`.
    """
    path = path.resolve()  # a link stays one
    require_regular(path)
    partial = path.with_name(f".{path.name}.partial")  # always the same name: leftovers of a kill -9 don't pile up
    try:
        yield partial
        partial.chmod(0o644)  # safetensors writes 0600
        fsync(partial)
        partial.replace(path)
        fsync(path.parent)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(partial)):
            error.filename = str(path)
        raise


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes a safetensors file; raises an OSError, as other files do, if the disk is full."""
    try:
        save_file(dict(tensors), path, metadata)
    except SafetensorError as error:
        if code := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
        raise
