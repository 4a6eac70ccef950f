"""Running text on disk, for language models."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from training.data.base import DataError


class SplitText(NamedTuple):
    """A text cut at two places."""

    train: str
    dev: str
    test: str
    sha256: str
    """Digest of the whole text in UTF-8."""


def read_text(path: Path, pattern: str = "**/*") -> str:
    """Reads a file, or the files of a folder in the order of their paths, hidden ones left out.

    Raises:
        DataError: there is no such file or folder, nothing in it matches, or a file is empty or no UTF-8.
    """
    if path.is_dir():
        names = sorted(file.relative_to(path) for file in path.glob(pattern) if file.is_file())
        files = [path / name for name in names if not any(part.startswith(".") for part in name.parts)]
        if not files:
            raise DataError(f"{path}: no file in it matches {pattern}")
    elif path.is_file():
        files = [path]
    else:
        raise DataError(f"{path}: no such file or folder")
    texts = []
    for file in files:
        try:
            texts.append(file.read_bytes().decode("utf-8"))
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: byte {error.start} is not UTF-8; convert the file, or leave it out") from error
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from error
    return "".join(texts)


def split_text(text: str, *, dev: float, test: float = 0.0) -> SplitText:
    """Training text first, then dev, then test, as shares of the characters.

    Raises:
        DataError: train or dev is empty, or test although it has a share.
    """
    first = int(len(text) * (1 - dev - test))
    second = int(len(text) * (1 - test)) if test else len(text)
    parts = text[:first], text[first:second], text[second:]
    if first < 1 or second <= first or (test and not parts[2]):
        raise DataError(
            f"dev={dev} and test={test} of {len(text)} characters leave {first} to train on, "
            f"{max(0, second - first)} for dev and {len(parts[2])} to test; each needs some"
        )
    return SplitText(*parts, hashlib.sha256(text.encode()).hexdigest())
