"""Files that `recap-train` writes where its user says."""

from pathlib import Path

from model.files import replacing
from training.data.base import DataError


def make_folder(path: Path) -> None:
    """Creates the folder of a file, or raises a `DataError`."""
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Writes a file in a folder that it creates, whole or not at all, or raises a `DataError`."""
    make_folder(path)
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: {error}") from error
