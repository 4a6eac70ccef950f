"""Files that are whole or not there, also after a crash or a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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

    If the block raises, the file is removed and `path` stays as it was.
    """
    path = path.absolute()
    partial = path.with_name(f".{path.name}.partial")  # always the same name: leftovers of a kill -9 don't pile up
    try:
        yield partial
        partial.chmod(0o644)  # safetensors writes 0600
        fsync(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    fsync(path.parent)
