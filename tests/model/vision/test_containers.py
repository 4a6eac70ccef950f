"""Files of every shape that costs a decoder much: told before it begins, in time that is linear in the size."""

import struct
import time
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from model.vision.formats import PictureError
from model.vision.pictures import Picture, read_picture

Encode = Callable[..., bytes]

SECONDS = 1.0
"""CPU time that no file of a few megabytes may take; each of them took many times that, or gigabytes."""


def segment(marker: int, body: bytes) -> bytes:
    return bytes((255, marker)) + struct.pack(">H", len(body) + 2) + body


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def progressive(scans: int, side: int = 7_000) -> bytes:
    """A grey JPEG of one picture, and as many scans of nothing but empty blocks, of 55 bytes each."""
    bits = ("0" + "1" * 14) * 24
    blocks = int(bits, 2).to_bytes(45, "big").replace(b"\xff", b"\xff\0")
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + b"\1" * 64)
        + segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
        + segment(0xC4, b"\0\1" + bytes(15) + b"\0")
        + segment(0xC4, b"\x10\1\1" + bytes(14) + b"\xe0\0")
        + segment(0xDA, b"\1\1\0\0\0\0")
        + bytes(side * side // 512)
        + b"\x7f"
        + (segment(0xDA, b"\1\1\0\1\x3f\0") + blocks) * scans
        + b"\xff\xd9"
    )


def tiff(entries: list[tuple[int, int, int, int]], values: bytes = b"") -> bytes:
    """A little-endian TIFF whose directory has these entries, with `values` from byte 8 on."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(values)) + values + directory


def strips(number: int) -> bytes:
    """64 x 64 grey levels in so many strips, whose places are single bytes."""
    size = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return tiff([*size, (273, 1, number, 4104), (277, 3, 1, 1), (278, 4, 1, 1)], bytes(4096) + b"\x08" * number)


def overlapping(number: int) -> bytes:
    """A TIFF with so many values, all in the same megabyte."""
    entries = [(256, 4, 1, 1), (257, 4, 1, 1), *((700 + tag, 7, 10**6, 8) for tag in range(number))]
    return tiff(entries, bytes(10**6))


def run_lengths(width: int, height: int) -> bytes:
    """A BMP of one row in run-length encoding."""
    rows = b"\1\5\0\0" * height + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    return b"BM" + struct.pack("<IHHI", 1078 + len(rows), 0, 0, 1078) + header + palette + rows


def short(data: bytes, at: int, filling: bytes, number: int) -> bytes:
    return data[:at] + filling * number + data[at:]


ATTACKS: dict[str, Callable[[Encode, Image.Image], bytes]] = {
    "scans of a JPEG": lambda encode, picture: progressive(10_000),
    "EXIF blocks of a JPEG": lambda encode, picture: short(
        encode(picture, "JPEG"), 2, b"\xff\xe1\0\x09Exif\0\0\0", 300_000
    ),
    "empty segments of a JPEG": lambda encode, picture: short(encode(picture, "JPEG"), 2, b"\xff\xe5\0\2", 1_000_000),
    "fill before a marker of a JPEG": lambda encode, picture: short(encode(picture, "JPEG"), 2, b"\xff", 4_000_000),
    "junk between segments of a JPEG": lambda encode, picture: short(encode(picture, "JPEG"), 20, b"\x11", 4_000_000),
    "chunks of a PNG": lambda encode, picture: short(encode(picture), 33, chunk(b"teXt", b""), 300_000),
    "strips of a TIFF": lambda encode, picture: strips(6_000_000),
    "values of a TIFF that share their bytes": lambda encode, picture: overlapping(4_000),
    "entries of a TIFF": lambda encode, picture: tiff([(256, 4, 1, 1)] * 60_000),
    "bits of a TIFF's samples": lambda encode, picture: tiff(
        [(256, 4, 1, 1), (257, 4, 1, 1), (258, 1, 4_000_000, 8)], bytes(4_000_000)
    ),
    "numbers of a TIFF's tag": lambda encode, picture: tiff(
        [(256, 4, 1, 1), (257, 4, 1, 1), (266, 3, 2_000_000, 8)], bytes(4_000_000)
    ),
    "runs of a BMP": lambda encode, picture: run_lengths(30_000, 1_666),
    "comments of a GIF": lambda encode, picture: short(
        encode(picture.convert("P"), "GIF"), 13 + 768, b"!\xfe\1a\0", 600_000
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_has_more_parts_than_pictures_have_is_refused_at_once(
    attack: Callable[[Encode, Image.Image], bytes], encode: Encode, picture: Image.Image
) -> None:
    data = attack(encode, picture)
    started = time.thread_time()
    with pytest.raises(PictureError) as caught:
        read_picture(data, enough=260)
    assert time.thread_time() - started < SECONDS
    assert caught.value.code in ("unsupported_format", "image_too_large", "damaged_image")


def test_scans_as_encoders_write_them_are_read(encode: Encode, picture: Image.Image) -> None:
    read = read_picture(progressive(20, side=1_000))
    assert (read.width, read.height) == (1_000, 1_000)
    assert read_picture(encode(picture, "JPEG", progressive=True)).rgb.size == picture.size


def test_coefficients_count_where_all_of_them_are_kept(encode: Encode) -> None:
    page = Image.new("RGB", (10_000, 10_000))
    plain, kept = (encode(page, "JPEG", subsampling="4:4:4", progressive=mode) for mode in (False, True))
    assert read_picture(plain, max_pixels=25_000_000, enough=1_000).rgb.size == (1_250, 1_250)
    with pytest.raises(PictureError, match=r"10,000 x 10,000 pixels, which take 606 MB"):
        read_picture(kept, max_pixels=25_000_000, enough=1_000)
    with pytest.raises(PictureError, match=r"at most 96,000,000 of a JPEG, and 24,000,000 of other formats, are read"):
        read_picture(plain, max_pixels=24_000_000, enough=1_000)


def test_metadata_of_any_size_is_left_out(encode: Encode, picture: Image.Image) -> None:
    text = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(1_500_000)))
    plain = encode(picture)
    assert same(read_picture(short(plain, 33, text, 1)), read_picture(plain))
    photo = encode(picture, "JPEG")
    noted = short(photo, 2, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + bytes(60_000)), 100)
    assert same(read_picture(noted), read_picture(photo))
    drawn = picture.convert("P")
    assert same(read_picture(encode(drawn, "GIF", comment=b"a" * 100_000)), read_picture(encode(drawn, "GIF")))


def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole(encode: Encode, picture: Image.Image) -> None:
    for options in ({}, {"progressive": True}, {"subsampling": "4:4:4"}, {"quality": 30}):
        data = encode(picture, "JPEG", **options)
        assert data.endswith(b"\xff\xd9")
        assert same(read_picture(data[:-2]), read_picture(data))
        for missing in (20, 100, 400):
            with pytest.raises(PictureError, match="truncated or damaged"):
                read_picture(data[:-missing])


def test_what_follows_a_jpeg_does_not_matter(encode: Encode, picture: Image.Image) -> None:
    data = encode(picture, "JPEG")
    assert same(read_picture(data + b"\xff\xda" * 1_000 + b"ftypmp42"), read_picture(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("rows", [64, 7])
def test_16_bits_in_separate_planes_are_read(order: str, rows: int, picture: Image.Image) -> None:
    small = picture.convert("RGB").resize((96, 64))
    planes = (np.asarray(small).astype(np.uint16) * 257).transpose(2, 0, 1).astype(f"{order}u2")
    pieces = [plane[top : top + rows].tobytes() for plane in planes for top in range(0, 64, rows)]
    places = np.cumsum([200, *map(len, pieces)])[:-1]
    lists = 200 + sum(map(len, pieces))
    entries = [
        (256, 4, struct.pack(f"{order}I", 96)),
        (257, 4, struct.pack(f"{order}I", 64)),
        (258, 3, struct.pack(f"{order}3H", 16, 16, 16)),
        (259, 3, struct.pack(f"{order}HH", 1, 0)),
        (262, 3, struct.pack(f"{order}HH", 2, 0)),
        (273, 4, struct.pack(f"{order}{len(pieces)}I", *places)),
        (277, 3, struct.pack(f"{order}HH", 3, 0)),
        (278, 4, struct.pack(f"{order}I", rows)),
        (279, 4, struct.pack(f"{order}{len(pieces)}I", *map(len, pieces))),
        (284, 3, struct.pack(f"{order}HH", 2, 0)),
    ]
    counts = {258: 3, 273: len(pieces), 279: len(pieces)}
    directory, values = struct.pack(f"{order}H", len(entries)), b""
    for tag, kind, value in entries:
        inline = value if len(value) <= 4 else struct.pack(f"{order}I", lists + len(values))
        values += value if len(value) > 4 else b""
        directory += struct.pack(f"{order}HHI", tag, kind, counts.get(tag, 1)) + inline
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", lists + len(values))
    data = head.ljust(200, b"\0") + b"".join(pieces) + values + directory + bytes(4)
    assert np.array_equal(np.asarray(read_picture(data).rgb), np.asarray(small))


def test_a_kind_that_is_not_read_is_named(encode: Encode) -> None:
    floats = tiff([(256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 3, 8), (262, 3, 1, 2), (277, 3, 1, 3), (339, 3, 3, 14),
                   (273, 4, 1, 20)], struct.pack("<6H", 32, 32, 32, 3, 3, 3) + bytes(12))  # fmt: skip
    with pytest.raises(PictureError, match="this TIFF is of a kind that is not read: RGB in 3 x 32 bits float"):
        read_picture(floats)
    entries = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    directory = b"".join(struct.pack(">HHQQ", tag, 4, 1, value << 32) for tag, value in entries)
    with pytest.raises(PictureError, match="big-endian BigTIFF"):
        read_picture(b"MM\0\x2b\0\x08\0\0" + struct.pack(">QQ", 16, len(entries)) + directory + bytes(8))
    masks = run_lengths(4, 4)
    masks = masks[:28] + struct.pack("<HI", 32, 3) + masks[34:54] + struct.pack("<III", 0xFF000000, 0xFF0, 0xFF000)
    with pytest.raises(PictureError, match="this BMP is of a kind that is not read: BMP bitfields layout"):
        read_picture(masks + bytes(64))


def test_an_avif_whose_transparency_lacks_a_size_keeps_its_colours(encode: Encode, picture: Image.Image) -> None:
    layer = picture.convert("RGBA")
    layer.putpixel((0, 0), (0, 0, 0, 0))
    whole = encode(layer, "AVIF", quality=95)
    data = bytearray(whole)
    items = data.index(b"ipma") + 12
    alpha = items + 3 + data[items + 2]  # after the associations of the first item
    properties = alpha + 3
    data[properties] = data[properties + 1]  # its size, in place of which it has another property twice
    with pytest.raises(Exception, match="cannot identify"):
        Image.open(BytesIO(data))
    found, wanted = (np.asarray(read_picture(bytes(file)).rgb).astype(int) for file in (data, whole))
    assert np.abs(found - wanted).mean() < 2


def test_tags_are_those_of_pillow() -> None:
    """The numbers in `containers` mean what they mean to the library that reads the same file."""
    names = TiffImagePlugin
    assert (names.STRIPOFFSETS, names.STRIPBYTECOUNTS, names.TILEOFFSETS, names.TILEBYTECOUNTS) == (273, 279, 324, 325)


def same(left: Picture, right: Picture) -> bool:
    return left.rgb.tobytes() == right.rgb.tobytes()
