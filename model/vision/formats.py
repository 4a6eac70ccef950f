"""The kinds of picture files: told by their first bytes, whatever they are called."""

import re

MAX_PIXELS = 64_000_000
"""Most pixels that are decoded by default: more than cameras of 50 megapixels make. Those of 100 and 200 make JPEGs,
which are decoded at a fraction of their size."""
MAX_SIDE = 30_000


class PictureError(ValueError):
    """A picture that can't be read.

    Args:
        code: short, stable name for programs.
        message: for people: what was wrong and what would be right.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


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


def identify(data: bytes) -> str:
    """Pillow's name of the format that the bytes begin as.

    Raises:
        PictureError: no picture; a picture, document or video of a kind that is not read.
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
        raise PictureError("not_an_image", message)
    raise PictureError("unsupported_format", f"this is {foreign}; {_READ}")
