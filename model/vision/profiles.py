"""Colours by an embedded profile (ICC.1) to sRGB, the colours that networks are trained on."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from model.vision.containers import MOST_PROFILE

_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
"""A profile's colour space -> Pillow's mode."""
_UNSEEN = 3
"""Levels of 255 by which a profile may differ from sRGB and be taken for it, as most profiles of cameras are."""
_SRGB = ImageCms.createProfile("sRGB")


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A picture of mode L, RGB or CMYK in RGB; a profile that is broken, or not for that mode, is passed over."""
    transform = _transform(profile, image.mode) if 132 < len(profile) <= MOST_PROFILE else None
    if transform:
        return transform.apply(image)
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile's colours to sRGB; None if there is none, or if it changes nothing that is seen."""
    if _MODES.get(profile[16:20]) != mode or _takes_long(profile):
        return None
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
        if mode == "CMYK":
            return transform
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)  # all mixtures of 9 levels
        sample = Image.fromarray(cube if mode == "RGB" else cube[..., 0])
        change = np.abs(np.asarray(transform.apply(sample), np.int16) - np.asarray(sample.convert("RGB")))
    except (ImageCms.PyCMSError, ValueError, OSError):
        return None
    return transform if change.max() > _UNSEEN else None


def _takes_long(profile: bytes) -> bool:
    """Test for elements that may be computed without bound; profiles of pictures have tables and curves."""
    return any(profile[at : at + 3] in (b"D2B", b"B2D") for at in range(132, 132 + 12 * 100, 12))
