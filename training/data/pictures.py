"""Picture files of a data set to RGB pictures, by the reader that serving has."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from model.files import read_bytes
from model.vision.formats import PictureError
from model.vision.pictures import read_picture
from training.data.base import DataError


def open_picture(path: Path, enough: int | None = None) -> Image.Image:
    """Reads a picture as `model.vision.pictures.read_picture` does; safe to call from several threads.

    Args:
        path: its file.
        enough: pixels a side that the caller needs; a large picture may be read at a fraction of its size.

    Raises:
        DataError: the file is missing, no picture, truncated or otherwise broken; the message names it.
    """
    try:
        return read_picture(read_bytes(path), enough=enough).rgb
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except PictureError as error:
        raise DataError(f"{path}: {error}") from error


def check_pictures(paths: Sequence[Path]) -> None:
    """Decodes each picture once, at the least size, so that all that are broken are known before hours of work.

    Raises:
        DataError: pictures can't be read; the message names all of them.
    """

    def fault(path: Path) -> str | None:
        try:
            open_picture(path, enough=1)
        except DataError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        checked = tqdm(pool.map(fault, paths), desc="checking", total=len(paths), unit="picture", disable=None)
        faults = [found for found in checked if found]
    if faults:
        found = f"{len(faults)} of {len(paths)} pictures can't be read"
        raise DataError("\n".join((f"{found}; repair them, or take them out of the splits:", *faults)))
