"""Parallel text on disk: a file a language, a sentence a line."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from training.data.base import DataError

STEMS = {"train": ("train",), "dev": ("dev", "val", "valid"), "test": ("test", "test_2016_flickr")}
"""Split -> names of its files, without the language; the first that is there is taken."""


class Pairs(NamedTuple):
    """Sentences and their translations."""

    sources: list[str]
    targets: list[str]
    sha256: str
    """Digest of both files."""


def has_split(path: Path, split: str, source: str, target: str) -> bool:
    """Tell whether a folder has both files of a split."""
    return _stem(path, split, source, target) is not None


def read_pairs(path: Path, split: str, source: str, target: str) -> Pairs:
    """Reads a split in two languages.

    Raises:
        DataError: a file is missing, empty or no UTF-8, has an empty line, or the two have not as many lines.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    stem = _stem(path, split, source, target)
    if stem is None:
        wanted = " or ".join(f"{name}.{source} and {name}.{target}" for name in STEMS[split])
        raise DataError(f"{path}: no split {split}: it needs {wanted}")
    digest = hashlib.sha256()
    sides = []
    for language in (source, target):
        file = path / f"{stem}.{language}"
        try:
            data = file.read_bytes()
            lines = data.decode("utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: byte {error.start} is not UTF-8; convert the file") from error
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from error
        digest.update(data)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                raise DataError(f"{file}, line {number}: an empty line; take the pair out of both files")
        sides.append([line.strip() for line in lines])
    if len(sides[0]) != len(sides[1]):
        files = f"{stem}.{source} has {len(sides[0])} lines, {stem}.{target} has {len(sides[1])}"
        raise DataError(f"{path}: {files}; each needs a sentence a line, in the same order")
    return Pairs(sides[0], sides[1], digest.hexdigest())


def _stem(path: Path, split: str, source: str, target: str) -> str | None:
    if split not in STEMS:
        raise DataError(f"split={split}: there are {', '.join(STEMS)}")
    there = (stem for stem in STEMS[split] if all((path / f"{stem}.{name}").is_file() for name in (source, target)))
    return next(there, None)
