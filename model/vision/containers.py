"""Picture files cut down to what decoding them needs, before a decoder sees them.

Decoders meet a stranger's bytes with loops over segments, chunks, scans and strips that nothing bounds. Each function
here walks one format's structure once, in time that is linear in the file's size, and counts what would be repeated.
Metadata is left out, so that neither its size nor its number matters.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.vision.formats import PictureError

_MOST_SEGMENTS = 2_000
"""Segments of a JPEG outside its scans; pieces of metadata are some hundred at most."""
_MOST_JUNK = 65_536
"""Bytes between a JPEG's segments."""
_MOST_SCANS = 100
"""Scans of a JPEG. Encoders write up to some twenty."""
_MOST_CHUNKS = 100_000
"""Chunks of a PNG, or blocks before the first frame of a GIF."""
_MOST_ENTRIES = 4_096
"""Entries of a TIFF's directory."""
_MOST_STRIPS = 100_000
_MOST_VALUES = 3 * 2**16
"""Numbers in an entry of a TIFF's directory: those of the largest palette."""
_MOST_RLE_PIXELS = 4_000_000
"""Pixels of a BMP in run-length encoding, which Pillow decodes in Python."""
_MOST_RLE_BYTES = 1_000_000
MOST_PROFILE = 4 * 2**20
"""Bytes of a colour profile; the largest of printing presses have 3 MB."""


@dataclass(frozen=True)
class Content:
    """A picture's file without what is not needed for its pixels."""

    data: bytes
    extra: int = 0
    """Bytes that decoding takes besides the picture's own pixels."""
    profile: bytes = b""
    """The colour profile, of a PNG."""
    ended: bool = True
    """False for a JPEG without an end marker."""
    kind: str = ""
    """Words for a TIFF's pixels, for a message."""


def _damaged(name: str, what: str) -> PictureError:
    return PictureError("damaged_image", f"this {name} is truncated or damaged: {what}")


def _excessive(name: str, what: str) -> PictureError:
    return PictureError("unsupported_format", f"this {name} has {what}, more than pictures have; it is not read")


# A byte that makes a marker of the 0xFF before it: no stuffing, no fill, no restart.
_IS_MARKER = np.ones(256, bool)
_IS_MARKER[[0x00, 0xFF, *range(0xD0, 0xD8)]] = False


def _marker(data: bytes, at: int) -> int:
    """The place of the 0xFF of a JPEG's next marker, at or after `at`; the file's length if there is none."""
    if data[at : at + 1] == b"\xff" and at + 1 < len(data) and _IS_MARKER[data[at + 1]]:
        return at
    length = 65_536
    while at < len(data) - 1:
        block = np.frombuffer(data, np.uint8, min(length, len(data) - at), at)
        found = (block[:-1] == 0xFF) & _IS_MARKER[block[1:]]
        place = int(found.argmax())
        if found[place]:
            return at + place
        at += len(block) - 1
        length = min(4 * length, 2**20)
    return len(data)


_ALONE = (0x01, 0xD8)
"""Markers without a length."""
_FRAMES = tuple(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC))
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)


def _is_needed(marker: int, start: bytes) -> bool:
    """Test whether a JPEG's segment tells anything about its pixels: no comment, no foreign metadata."""
    if marker == 0xE1:
        return start.startswith(b"Exif\0")
    if marker == 0xE2:
        return start.startswith(b"ICC_PROFILE\0")
    return marker in (0xE0, 0xEE) or not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def jpeg(data: bytes) -> Content:
    """Counts segments and scans (ITU-T T.81, annex B), and leaves comments, previews and foreign metadata out."""
    kept = [data[:2]]
    at, junk, scans, segments, exif, extra = 2, 0, 0, 0, False, 0
    frame, progressive = b"", False
    while (place := _marker(data, at)) < len(data):
        marker = data[place + 1]
        if scans:
            kept.append(data[at:place])
        elif (junk := junk + place - at) > _MOST_JUNK:
            raise _excessive("JPEG", f"over {_MOST_JUNK:,} bytes between its segments")
        if marker == 0xD9:
            kept.append(data[place : place + 2])
            break
        segments += 1
        if marker in _ALONE:
            at = place + 2
            continue
        at = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        start = data[place + 4 : min(at, place + 22)]
        if marker in _FRAMES:
            frame, progressive = start, marker in _PROGRESSIVE
        elif marker == 0xDA:
            scans += 1
            if progressive or start[:1] < frame[5:6]:
                extra = _coefficients(frame)
        if _is_needed(marker, start) and not (marker == 0xE1 and exif):
            kept.append(data[place:at])
            exif |= marker == 0xE1
        if scans > _MOST_SCANS:
            raise _excessive("JPEG", f"over {_MOST_SCANS} scans")
        if segments > _MOST_SEGMENTS:
            raise _excessive("JPEG", f"over {_MOST_SEGMENTS:,} segments")
    else:
        kept.append(data[at:] if scans else b"")
    return Content(b"".join(kept), extra, ended=kept[-1] == b"\xff\xd9")


def _coefficients(frame: bytes) -> int:
    """Bytes of a JPEG's coefficients, which are all kept if one scan does not have all of its components."""
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    factors = [(code >> 4) * (code & 15) for code in frame[7::3]]
    return 2 * height * width * sum(factors) // max([1, *factors])


_PNG_ONCE = frozenset((b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IEND"))


def png(data: bytes) -> Content:
    """Leaves all chunks out but those that pixels need (ISO/IEC 15948), and the animation's further frames.

    The profile is unpacked here, since Pillow takes the whole picture for damaged where it is large.
    """
    kept = [data[:8]]
    seen: set[bytes] = set()
    profile = b""
    at = 8
    for _ in range(_MOST_CHUNKS):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if name == b"IDAT" or (name in _PNG_ONCE and name not in seen):
            kept.append(data[at:end])
        elif name == b"iCCP" and not profile:
            profile = _png_profile(data[at + 8 : end - 4])
        seen.add(name)
        at = end
        if name == b"IEND" or at >= len(data):
            return Content(b"".join(kept), profile=profile)
    raise _excessive("PNG", f"over {_MOST_CHUNKS:,} chunks")


def _png_profile(chunk: bytes) -> bytes:
    """The profile in an iCCP chunk: a name, a zero, the method, and the packed profile; empty if anything is wrong."""
    _, _, packed = chunk.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], MOST_PROFILE)
    except zlib.error:
        return b""
    return b"" if unpacker.unconsumed_tail else profile


def gif(data: bytes) -> Content:
    """Leaves what stands before the first frame out, but for that frame's own control block (GIF89a, section 23)."""
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 0x80 else 0)
    head, control, blocks = data[:at], b"", 0
    while data[at : at + 1] != b",":
        if at >= len(data) or data[at : at + 1] == b";":
            raise _damaged("GIF", "it has no frame")
        start = at
        extension = data[at : at + 1] == b"!"
        at += 2 if extension else 1  # anything else is passed over, as browsers do
        while extension and (length := int.from_bytes(data[at : at + 1], "big")):
            at += 1 + length
            blocks += 1
        at += extension
        blocks += 1
        if blocks > _MOST_CHUNKS:
            raise _excessive("GIF", f"over {_MOST_CHUNKS:,} blocks before its first frame")
        if data[start : start + 2] == b"!\xf9":
            control = data[start:at]
    return Content(head + control + data[at:])


def bmp(data: bytes) -> Content:
    """Bounds run-length encoding."""
    if len(data) >= 34 and data[14:18] != b"\x0c\0\0\0":
        width, height, compression = struct.unpack("<ii4xI", data[18:34])
        if compression in (1, 2) and (abs(width * height) > _MOST_RLE_PIXELS or len(data) > _MOST_RLE_BYTES):
            found = f"{abs(width * height):,} pixels in {len(data):,} bytes"
            allowed = f"{_MOST_RLE_PIXELS:,} in {_MOST_RLE_BYTES:,}"
            raise PictureError(
                "image_too_large", f"this BMP is run-length encoded: at most {allowed} are read, it has {found}"
            )
    return Content(data)


_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _FORMAT = 322, 323, 324, 325, 339
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of a TIFF's value -> bytes."""
_OPAQUE = (1, 2, 6, 7)
"""Types of values that stay bytes: metadata and profiles, of any size."""
_KINDS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "L*a*b*", 9: "L*a*b*"}


class _Directory:
    """The first directory of a TIFF (TIFF 6.0, section 2; BigTIFF).

    Args:
        data: the file.

    Raises:
        PictureError: it is cut short; it has more entries, or larger ones, than the file can hold.
    """

    def __init__(self, data: bytes) -> None:
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = 0x2B in data[2:4]
        self._data = data
        self._entries: dict[int, tuple[int, int, int]] = {}
        """Tag -> type, number of values, their place."""
        head, step, inline = ("Q", 20, 8) if self.big else ("H", 12, 4)
        (at,) = self._unpack("Q" if self.big else "I", inline)
        (count,) = self._unpack(head, at)
        if count > _MOST_ENTRIES:
            raise _excessive("TIFF", f"over {_MOST_ENTRIES:,} entries in its directory")
        total = 0
        for place in range(at + struct.calcsize(head), at + struct.calcsize(head) + count * step, step):
            tag, kind, number = self._unpack("HHQ" if self.big else "HHI", place)
            if kind not in _OPAQUE and number > _MOST_VALUES:
                raise _excessive("TIFF", f"{number:,} numbers in one entry of its directory")
            size = number * _SIZES.get(kind, 1)
            total += size
            value = place + step - inline
            if size > inline:
                (value,) = self._unpack("Q" if self.big else "I", value)
            self._entries.setdefault(tag, (kind, number, value))
        if total > len(data):
            raise _damaged("TIFF", "its directory's values are larger than the file")

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self.order + form, self._data, at)
        except struct.error as error:
            raise _damaged("TIFF", "its directory lies outside the file") from error

    def number(self, tag: int) -> int:
        """The number of values of a tag; 0 if it is not there."""
        return self._entries.get(tag, (0, 0, 0))[1]

    def place(self, tag: int) -> int:
        """The place of a tag's values."""
        return self._entries[tag][2]

    def values(self, tag: int, default: int) -> list[int]:
        """A tag's whole numbers; the default if it is not there, or has none."""
        kind, number, place = self._entries.get(tag, (0, 0, 0))
        form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        return list(self._unpack(f"{number}{form}", place)) if form and number else [default]

    def value(self, tag: int, default: int) -> int:
        return self.values(tag, default)[0]


def tiff(data: bytes) -> Content:
    """Bounds the strips or tiles of the first picture, and reads one kind that Pillow mixes up."""
    tags = _Directory(data)
    width, height = tags.value(_WIDTH, 0), tags.value(_HEIGHT, 0)
    samples = tags.value(_SAMPLES, 1)
    planes = samples if tags.value(_PLANAR, 1) == 2 else 1
    rows = min(tags.value(_ROWS, height) or height, height)
    across, down = tags.value(_TILE_WIDTH, 0), tags.value(_TILE_HEIGHT, 0)
    tiles = -(-width // across) * -(-height // down) if across and down else 0
    most = min(_MOST_STRIPS, planes * max(height, tiles))
    for tag in (_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES):
        if tags.number(tag) > max(most, 1):
            raise _excessive("TIFF", f"{tags.number(tag):,} strips or tiles for {width:,} x {height:,} pixels")
    for tag in (_BITS, _FORMAT):
        if tags.number(tag) > max(samples, 16):
            raise _excessive("TIFF", f"{tags.number(tag):,} values for the bits of {samples} samples")
    bits = tags.values(_BITS, 1)
    piece = across * down if tiles else width * rows
    extra = piece * max(sum(bits), 32) // 8 if tags.value(_COMPRESSION, 1) != 1 else 0
    form = {2: "signed", 3: "float", 5: "complex", 6: "complex"}.get(tags.value(_FORMAT, 1), "")
    kind = " ".join(
        filter(
            None,
            (
                "big-endian BigTIFF" if tags.big and tags.order == ">" else "",
                _KINDS.get(tags.value(_PHOTOMETRIC, 0), "of a colour space that is not known"),
                f"in {samples} x {bits[0]} bits",
                form,
            ),
        )
    )
    if planes > 1 and set(bits) == {16} and tags.value(_COMPRESSION, 1) == 1 and tags.number(_STRIPS):
        data = _in_8_bits(data, tags)
    return Content(data, extra, kind=kind)


def _in_8_bits(data: bytes, tags: _Directory) -> bytes:
    """A TIFF of 16 bits in separate planes with the upper half of each number alone: Pillow mixes up its planes."""
    file = bytearray(data)
    for place, length in zip(tags.values(_STRIPS, 0), tags.values(_STRIP_BYTES, 0), strict=False):
        upper = data[place : place + length][1 if tags.order == "<" else 0 :: 2]
        file[place : place + len(upper)] = upper
    for number in range(tags.number(_BITS)):
        struct.pack_into(tags.order + "H", file, tags.place(_BITS) + 2 * number, 8)
    return bytes(file)


def avif_without_alpha(data: bytes) -> bytes:
    """An AVIF whose transparency passes for a thumbnail: that of older encoders lacks a size, which libavif demands."""
    references = max(data.find(b"iref"), 0)
    return data[:references] + data[references:].replace(b"auxl", b"thmb", 1)


CUT: dict[str, Callable[[bytes], Content]] = {"JPEG": jpeg, "PNG": png, "GIF": gif, "BMP": bmp, "TIFF": tiff}
"""Pillow's name of a format -> what cuts its files down."""
