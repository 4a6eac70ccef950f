"""Untrusted bytes to an RGB picture: the one reader, of serving, training and scoring.

The format is decided by the bytes, and what decoding will cost is known before it begins: `containers.py` counts what
would be repeated, the header has the size.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Image import Transpose
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from model.vision.containers import CUT, Content, avif_without_alpha
from model.vision.formats import FORMATS, MAX_PIXELS, MAX_SIDE, PictureError, identify
from model.vision.profiles import to_srgb

_OPEN: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImageFile,
}
"""Pillow's classes by themselves: `Image.open` would refuse large JPEGs, which are decoded at a fraction."""
_BYTES = 6
"""Bytes of memory for each pixel that is allowed: what decoding may take is the product."""
_COST = {"WEBP": 16, "AVIF": 16}
"""Bytes a pixel that a format's decoder takes, if more than the four of the picture."""
_JPEG_PIXELS = 4
"""Times the pixels that are decoded: most that a JPEG may have at its full size, since all of it is run through."""
_LONG = 32_000_000
"""Bytes or pixels; what takes more takes some tenths of a second."""
_LARGE = 100_000_000
"""Bytes; pictures that take more are decoded one after another."""
_WHOLE = 16_000_000
"""Pixels; a larger picture is brought to the size that is needed while it is brought to RGB."""
_STRIP = 2_000_000
"""Pixels that are brought to RGB at a time: there are several copies of them meanwhile."""
_one_by_one = Lock()

_ROTATIONS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation -> what sets the picture upright (as `PIL.ImageOps.exif_transpose` has it)."""
_SIDEWAYS = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright, RGB, in the colours of sRGB, transparency laid over white."""

    rgb: Image.Image
    """May be smaller than width x height where `read_picture` was told that less is enough."""
    width: int
    height: int
    format: str


class PictureFile:
    """A JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF file whose header has been read, and whose pixels have not.

    Args:
        data: the whole file.
        max_pixels: most pixels that are decoded. Formats that take more memory a pixel than others have less.
        max_side: most pixels along one side.
        enough: pixels a side that the caller needs. A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, and the
            limits hold for that; a very large picture is averaged to a whole fraction. Neither goes below `enough`.

    Raises:
        PictureError: empty, not a picture, of a kind that is not read, too large; its header is damaged.
    """

    def __init__(
        self, data: bytes, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE, enough: int | None = None
    ) -> None:
        if not data:
            raise PictureError("empty_image", "the picture is empty: 0 bytes")
        self._name = identify(data)
        self._enough = enough
        self._content = CUT[self._name](data) if self._name in CUT else Content(data)
        try:
            self._image = self._open(self._content)
        except PictureError:
            if self._name != "AVIF":
                raise
            self._image = self._open(Content(avif_without_alpha(data)))
        self._size = width, height = self._image.size
        found = f"the picture has {width:,} x {height:,} pixels"
        if width * height > _JPEG_PIXELS * max_pixels:
            most = f"{_JPEG_PIXELS * max_pixels:,} of a JPEG, and {max_pixels:,} of other formats,"
            raise PictureError("image_too_large", f"{found}; at most {most} are read")
        if self._name == "JPEG" and enough:
            self._image.draft(None, (enough, enough))
        pixels = self._image.width * self._image.height
        if pixels > max_pixels or max(self._image.size) > max_side:
            message = f"{found}; at most {max_pixels:,} pixels, and {max_side:,} along a side, are read"
            raise PictureError("image_too_large", message)
        self._cost, most_bytes = (
            self._content.extra + _COST.get(self._name, 4) * pixels,
            max(_LARGE, _BYTES * max_pixels),
        )
        if self._cost > most_bytes:
            taken, allowed = (f"{number / 1e6:,.0f} MB" for number in (self._cost, most_bytes))
            message = f"{found}, which take {taken} to decode from {FORMATS[self._name]}; at most {allowed} are taken"
            raise PictureError("image_too_large", message)
        self.takes_long = self._cost > _LONG or width * height > _LONG
        """True if decoding may take more than some tenths of a second."""

    def read(self) -> Picture:
        """The first frame; once.

        Raises:
            PictureError: the file is truncated or damaged.
        """
        with _one_by_one if self._cost > _LARGE else nullcontext():
            try:
                rgb = self._pixels()
            except Exception as error:
                raise PictureError("damaged_image", f"this {FORMATS[self._name]} is truncated or damaged") from error
            size = self._image.size if self._name == "TIFF" else self._size  # Pillow sets a TIFF upright while it loads
            rotation = _rotation(self._image)
            if rgb is not self._image:
                self._image.close()  # now, before the next one takes as much memory
        width, height = reversed(size) if rotation in _SIDEWAYS else size
        return Picture(rgb if rotation is None else rgb.transpose(rotation), width, height, FORMATS[self._name])

    def _pixels(self) -> Image.Image:
        try:
            return _load(self._image, self._content.profile, self._enough)
        except OSError:
            if self._content.ended:
                raise
        # Some cameras leave the end marker of a JPEG out, and nothing else. The decoder makes up what is missing from
        # what follows, so nothing is missing where it does not matter what follows.
        first, second = (
            _load(self._open(Content(self._content.data + tail + b"\xff\xd9")), b"", self._enough)
            for tail in (b"", bytes(range(1, 200)) * 4)
        )
        if first.tobytes() != second.tobytes():
            raise ValueError("its last rows are missing")
        return first

    def _open(self, content: Content) -> ImageFile.ImageFile:
        try:
            image = _OPEN[self._name](BytesIO(content.data))
        except Exception as error:  # untrusted bytes make decoders raise nearly anything
            raise _not_opened(content, self._name, error) from error
        return image


def read_picture(
    data: bytes, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE, enough: int | None = None
) -> Picture:
    """The first frame of a picture's file; see `PictureFile`."""
    return PictureFile(data, max_pixels=max_pixels, max_side=max_side, enough=enough).read()


def _not_opened(content: Content, name: str, error: Exception) -> PictureError:
    """Why Pillow does not open a file: its header is damaged, or of a kind that Pillow lacks."""
    kind = content.kind
    if isinstance(error, OSError) and str(error).startswith("Unsupported "):  # so it names kinds of BMP
        kind = str(error).removeprefix("Unsupported ")
    if kind:
        return PictureError("unsupported_format", f"this {FORMATS[name]} is of a kind that is not read: {kind}")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        # Pillow's own limit, in pixels, lies above ours; a warning comes here where it is made an error.
        return PictureError("image_too_large", f"the picture has too many pixels: {error}")
    message = f"this begins as {FORMATS[name]}, but its header is damaged or of a kind that is not read"
    return PictureError("damaged_image", message)


def as_rgb(image: Image.Image) -> Image.Image:
    """A picture that Pillow has opened, as `read_picture` returns one: upright, RGB, transparency laid over white."""
    rgb = _load(image, b"", None)
    rotation = _rotation(image)
    return rgb if rotation is None else rgb.transpose(rotation)


def _load(image: Image.Image, profile: bytes, enough: int | None) -> Image.Image:
    """An opened picture in RGB, as it lies; a very large one averaged to a whole fraction that is enough."""
    frame = (
        image.tile[0].extents
        if isinstance(image, ImageFile.ImageFile) and image.format == "GIF" and image.tile
        else None
    )
    image.load()
    profile = profile or image.info.get("icc_profile") or b""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    span = _span(image) if image.mode in ("I", "F") else (0.0, 0.0)
    if frame and frame != (0, 0, *image.size):
        page = Image.new("RGB", image.size, "white")  # what a GIF's first frame leaves free is transparent
        page.paste(_to_rgb(image.crop(frame), profile, tags, span), frame[:2])
        return page
    pixels = image.width * image.height
    if pixels <= _STRIP:
        return _to_rgb(image, profile, tags, span)
    part = max(1, min(image.size) // enough) if enough and pixels > _WHOLE else 1
    page = Image.new("RGB", (-(-image.width // part), -(-image.height // part)))
    for top, strip in _strips(image, part):
        page.paste(_to_rgb(strip, profile, tags, span).reduce(part), (0, top // part))
    return page


def _strips(image: Image.Image, part: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """A picture from top to bottom: where a strip begins, and the strip, of a multiple of `part` rows, but the last."""
    rows = max(1, _STRIP // image.width // part) * part
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _rotation(image: Image.Image) -> Transpose | None:
    """The turn that sets a picture upright, by its EXIF block alone: browsers do not ask XMP either."""
    block = image.info.get("exif")
    if not block:
        return None
    exif = Image.Exif()
    try:
        exif.load(block)
        return _ROTATIONS.get(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # whatever is wrong with the EXIF block, the pixels are there
        return None


def _to_rgb(image: Image.Image, profile: bytes, tags: Mapping[int, Any], span: tuple[float, float]) -> Image.Image:
    """Any of Pillow's modes to RGB; what is transparent becomes white.

    Args:
        image: a picture, or a strip of one.
        profile: its colour profile; empty if it has none.
        tags: a TIFF's.
        span: black and white of modes I and F.
    """
    picture = image
    if image.mode.startswith("I;16"):
        picture = _from_16_bit(image, tags)
    elif image.mode in ("I", "F"):
        picture = _from_wide(image, tags, span)
    elif image.mode == "La":
        picture = image.convert("LA")
    if not picture.has_transparency_data:
        if picture.mode in ("L", "1") or picture.mode == "CMYK":
            return to_srgb(picture.convert("L") if picture.mode == "1" else picture, profile)
        return to_srgb(picture if picture.mode == "RGB" else picture.convert("RGB"), profile)
    if picture.mode == "LA":
        page = Image.new("L", picture.size, "white")
        page.paste(picture.getchannel("L"), mask=picture.getchannel("A"))
        return to_srgb(page, profile)
    layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
    page = Image.new("RGB", layer.size, "white")
    page.paste(layer, mask=layer.getchannel("A"))
    return to_srgb(page, profile)


def _is_white_zero(tags: Mapping[int, Any]) -> bool:
    return tags.get(ExifTags.Base.PhotometricInterpretation) == 0


def _from_16_bit(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """Grey levels of up to 16 bits to L, or LA; Pillow's own conversion would clip them at 255."""
    values = np.asarray(image)
    bits = tags.get(ExifTags.Base.BitsPerSample, (16,))[0]  # TIFF has 12-bit pictures too
    levels = np.rint(np.linspace(0, 255, 2**bits)).astype(np.uint8)
    if _is_white_zero(tags):
        levels = levels[::-1]
    grey = Image.fromarray(levels[values])
    if (transparent := image.info.get("transparency")) is None:
        return grey
    return Image.merge("LA", (grey, Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))))


def _span(image: Image.Image) -> tuple[float, float]:
    """Black and white among the values of a picture in 32-bit integers or floats.

    Nothing in the file says it, so white is the end of the narrowest common range that holds all values: 0..1 (floats
    alone), 0..255, 0..65535; beyond these, the greatest value, and then black is the least.
    """
    low, high = np.inf, -np.inf
    for _, strip in _strips(image):
        values = _finite(strip)
        low, high = min(low, values.min()), max(high, values.max())
    white = next((top for top in ((1, 255, 65535) if image.mode == "F" else (255, 65535)) if high <= top), None)
    return (0.0, float(white)) if white is not None and low >= 0 else (low, high)


def _finite(image: Image.Image) -> NDArray[np.float64]:
    values = np.asarray(image)
    return np.where(np.isfinite(values), values, 0).astype(np.float64)


def _from_wide(image: Image.Image, tags: Mapping[int, Any], span: tuple[float, float]) -> Image.Image:
    """Grey levels in 32-bit integers or floats to L."""
    low, high = span
    levels = np.rint((_finite(image) - low) / max(high - low, np.finfo(np.float64).tiny) * 255).astype(np.uint8)
    return Image.fromarray(255 - levels if _is_white_zero(tags) else levels)
