"""Untrusted bytes to an RGB picture: format decided by the bytes, header checked before pixels are decoded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Image import Transpose

from app.errors import Refusal

FORMATS = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "GIF": "GIF", "BMP": "BMP", "TIFF": "TIFF", "AVIF": "AVIF"}
"""Formats that are read: Pillow's name -> the format's own."""

EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".avifs")
)
"""File name extensions of these formats."""

_READ = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are read"

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    *((order + number, "TIFF") for order in (b"II", b"MM") for number in (b"\x2a\0", b"\0\x2a", b"\x2b\0", b"\0\x2b")),
)
_SVG = re.compile(rb"(?>\s+|<\?xml.*?>|<!--.*?-->|<!DOCTYPE svg.*?>)*+<svg[> \t\r\n]", re.DOTALL)
"""An SVG's root element and all that may precede it. Nothing is tried twice: the time is linear, whatever the bytes."""
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop picture"),
    (b"gimp xcf", "a GIMP picture"),
    (b"\0\0\1\0", "an ICO icon"),
    (b"\0\0\2\0", "a CUR cursor"),
    (b"icns", "an ICNS icon"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"DDS ", "a DDS texture"),
    (b"qoif", "a QOI picture"),
    (b"%!PS", "a PostScript document"),
    (b"\xd7\xcd\xc6\x9a", "a WMF drawing"),
    (b"AT&TFORM", "a DjVu document"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"FUJIFILMCCD-RAW", "a raw camera picture"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"FLV\x01", "an FLV video"),
    *((b"P%d%b" % (kind, space), "a Netpbm picture") for kind in range(1, 8) for space in (b"\n", b" ", b"\r", b"\t")),
)
"""Beginnings of well-known formats that are not read, so that the answer can name them."""
_RIFF = {b"AVI ": "an AVI video", b"WAVE": "a WAV sound"}
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"))

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
    """A decoded picture, upright, RGB, transparency laid over white."""

    image: Image.Image
    """May be smaller than width x height where `read_picture` was told that less is enough."""
    width: int
    height: int
    format: str


def identify(data: bytes) -> str:
    """Pillow's name of the format that the bytes begin as.

    Raises:
        Refusal: no picture; a picture, document or video of a kind that is not read.
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        length = int.from_bytes(data[:4], "big")
        brands = {data[8:12], *(data[start : start + 4] for start in range(16, min(length, 256), 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        foreign: str | None = "a HEIF picture" if brands & _HEIF_BRANDS else "an MP4 or QuickTime video"
    elif data[:4] == b"RIFF":
        foreign = _RIFF.get(data[8:12])
    elif _SVG.match(data, 0, 4096):
        foreign = "an SVG drawing"
    else:
        foreign = next((name for signature, name in _FOREIGN if data.startswith(signature)), None)
    if foreign is None:
        message = f"these {len(data):,} bytes are not a picture in a known format; {_READ}"
        raise Refusal("not_an_image", message, "image")
    raise Refusal("unsupported_format", f"this is {foreign}; {_READ}", "image")


def read_picture(data: bytes, *, max_pixels: int, max_dimension: int, enough: int | None = None) -> Picture:
    """Decodes the first frame.

    Args:
        data: a whole file.
        max_pixels: most pixels allowed, by the header.
        max_dimension: most pixels allowed along one side.
        enough: pixels a side that the caller needs; a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, no smaller.

    Raises:
        Refusal: empty, not a picture, truncated or damaged; a format that is not read; too large.
    """
    if not data:
        raise Refusal("empty_image", "the picture is empty: 0 bytes", "image")
    name = identify(data)
    try:
        image = Image.open(BytesIO(data), formats=[name])
        size = width, height = image.size
        if width * height > max_pixels or max(size) > max_dimension:
            raise _too_large(f"{width:,} x {height:,} pixels", max_pixels, max_dimension)
        if enough and name == "JPEG":
            image.draft(None, (enough, enough))
        rgb, sideways = _upright(image)
    except Refusal:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limit lies above ours, so it only speaks first; a warning comes here where it is made an error.
        count = re.search(r"\d+", str(error))
        found = f"{int(count[0]):,} pixels" if count else "too many pixels"
        raise _too_large(found, max_pixels, max_dimension) from error
    except UnidentifiedImageError as error:
        message = f"this begins as {FORMATS[name]}, but its header is damaged or of a kind that is not read"
        raise Refusal("damaged_image", message, "image") from error
    except Exception as error:  # untrusted bytes make decoders raise nearly anything
        raise Refusal("damaged_image", f"this {FORMATS[name]} is truncated or damaged", "image") from error
    if name != "JPEG":
        size = image.size  # Pillow sets a TIFF upright while it loads
    width, height = reversed(size) if sideways else size
    return Picture(rgb, width, height, FORMATS[name])


def as_rgb(image: Image.Image) -> Image.Image:
    """A picture that Pillow has opened, as `read_picture` returns one: upright, RGB, transparency laid over white."""
    return _upright(image)[0]


def _upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """A picture in RGB, and whether its sides had to change places."""
    image.load()
    try:
        rotation = _ROTATIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # whatever is wrong with the EXIF block, the pixels are there
        rotation = None
    rgb = _to_rgb(image)
    return rgb if rotation is None else rgb.transpose(rotation), rotation in _SIDEWAYS


def _too_large(found: str, max_pixels: int, max_dimension: int) -> Refusal:
    allowed = f"at most {max_pixels:,} pixels, and {max_dimension:,} along a side, are read"
    return Refusal("image_too_large", f"the picture has {found}; {allowed}", "image")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes to RGB; what is transparent becomes white."""
    picture = image
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        picture = _from_16_bit(image, tags)
    elif image.mode in ("I", "F"):
        picture = _from_wide(image, tags)
    elif image.mode == "La":
        picture = image.convert("LA")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
    page = Image.new("RGB", layer.size, "white")
    page.paste(layer, mask=layer.getchannel("A"))
    return page


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


def _from_wide(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """Grey levels in 32-bit integers or floats to L.

    Nothing in the file says what is white, so it is the end of the narrowest common range that holds all values: 0..1
    (floats alone), 0..255, 0..65535; beyond these, the greatest value, and then black is the least.
    """
    values = np.asarray(image)
    strips = np.array_split(values, -(-values.size // 2**20))  # by rows, since doubles of all would take much memory

    def numbers(strip: NDArray[Any]) -> NDArray[np.float64]:
        return np.where(np.isfinite(strip), strip, 0).astype(np.float64)

    low, high = min(numbers(strip).min() for strip in strips), max(numbers(strip).max() for strip in strips)
    white = next((top for top in ((1, 255, 65535) if image.mode == "F" else (255, 65535)) if high <= top), None)
    if white is not None and low >= 0:
        low, high = 0.0, float(white)
    scale = 255 / max(high - low, np.finfo(np.float64).tiny)
    levels = np.concatenate([np.rint((numbers(strip) - low) * scale).astype(np.uint8) for strip in strips])
    return Image.fromarray(255 - levels if _is_white_zero(tags) else levels)
