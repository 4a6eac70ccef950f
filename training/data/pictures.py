"""Picture files of a data set to RGB images."""

from pathlib import Path

from PIL import Image, ImageOps

from training.data.base import DataError


def open_picture(path: Path) -> Image.Image:
    """Reads a picture as RGB, turned the way its EXIF orientation says; safe to call from several threads.

    Raises:
        DataError: the file is missing, no picture, cut or otherwise broken; the message names it.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    # Pillow's decoders raise these for broken data; SyntaxError is PNG's and TIFF's.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a picture that can be read: {error}") from error
