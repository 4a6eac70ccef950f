"""Files that are whole or not there, also after a crash or a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def fsync_directory(path: Path) -> None:
    """Makes the names in a directory as durable as the files they name."""
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
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)
