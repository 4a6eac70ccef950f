"""Folders of results that take long to compute, and are never stale."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from model.files import replacing


class Digest(Protocol):
    """One of hashlib's."""

    def update(self, data: bytes, /) -> None:
        """Takes more bytes."""


def add_pictures(digest: Digest, pictures: Iterable[Path]) -> None:
    """Adds names and bytes of files."""
    for picture in pictures:
        digest.update(picture.name.encode())
        digest.update(hashlib.sha256(picture.read_bytes()).digest())


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
