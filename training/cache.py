"""Folders of results that take long to compute, and are never stale."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib.format import open_memmap

from model.files import read_bytes, replacing


class Digest(Protocol):
    """One of hashlib's."""

    def update(self, data: bytes, /) -> None:
        """Takes more bytes."""


def add_pictures(digest: Digest, pictures: Iterable[Path]) -> None:
    """Adds names and bytes of files; one that can't be read is named when it is used, with all others."""
    for picture in pictures:
        digest.update(picture.name.encode())
        with suppress(OSError):
            digest.update(hashlib.sha256(read_bytes(picture)).digest())


def cached(directory: Path, fingerprint: str, build: Callable[[], None]) -> None:
    """Calls `build` to fill a folder, unless its files are of this fingerprint, a digest of all they depend on."""
    description = directory / "cache.json"
    if description.is_file() and json.loads(description.read_text())["fingerprint"] == fingerprint:
        return
    description.unlink(missing_ok=True)  # first, so that files half written are never taken for whole
    directory.mkdir(parents=True, exist_ok=True)
    build()
    with replacing(description) as partial:
        partial.write_text(json.dumps({"fingerprint": fingerprint}))


def new_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    """An array in a new file, for all of which there is room: a mapped page that the disk has no room for is a crash.

    Raises:
        OSError: the disk is full.
    """
    try:
        array = open_memmap(path, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):  # not on macOS
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return array
