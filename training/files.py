"""Files that `recap-train` writes where its user says."""

from pathlib import Path
from tempfile import TemporaryFile

from model.files import replacing, require_regular
from training.data.base import DataError


def make_folder(path: Path) -> None:
    """Creates the folder of what is to be written, or raises a `DataError`, also if it can't be written there."""
    try:
        require_regular(path)
        folder = path.absolute().parent
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Writes a file in a folder that it creates, whole or not at all, or raises a `DataError`."""
    make_folder(path)
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
