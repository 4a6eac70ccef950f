"""Sends pictures that are broken in many ways; reports the answers, and what stays in the server's memory.

python benchmarks/fuzz.py [--mutations 3000] [--seed 0] [--checkpoints FOLDER]

Pictures of every format that is read have bits flipped, are cut, spliced, get headers of other formats or sizes beyond
all reason, and bodies that unpack to far more than they are.
"""

import argparse
import asyncio
import io
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image
from service import PHOTO, ROOT, ask, serving

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


@cache
def pictures() -> list[bytes]:
    """Files of every format, in several modes."""
    with Image.open(PHOTO) as photo:
        small = photo.convert("RGB").resize((160, 120))
    files = [PHOTO.read_bytes()]
    for format in FORMATS:
        for mode in ("RGB", "L", "P", "RGBA", "CMYK", "I;16", "1"):
            file = io.BytesIO()
            try:
                small.convert("L" if mode == "I;16" else mode).convert(mode).save(file, format)
            except (OSError, ValueError):
                continue  # not a mode of this format
            files.append(file.getvalue())
    return files


def flip(data: bytearray, draw: random.Random) -> bytearray:
    """Some bits."""
    for _ in range(draw.choice((1, 2, 8, 64))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def flip_head(data: bytearray, draw: random.Random) -> bytearray:
    """Bytes of the first hundred, where sizes and counts stand."""
    for _ in range(draw.choice((1, 2, 4))):
        data[draw.randrange(min(100, len(data)))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
    return data


def cut(data: bytearray, draw: random.Random) -> bytearray:
    """An end, or a piece."""
    start, end = sorted(draw.randrange(len(data)) for _ in range(2))
    return data[:start] if draw.random() < 0.5 else data[:start] + data[end:]


def splice(data: bytearray, draw: random.Random) -> bytearray:
    """The head of one on the body of another."""
    other = draw.choice(pictures())
    place = draw.choice((4, 8, 16, 64, draw.randrange(1, len(data))))
    return bytearray(other[:place]) + data[place:]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(_: bytearray, draw: random.Random) -> bytearray:
    """A small file of a large picture, or of one that says so."""
    width, height = draw.choice(((60_000, 60_000), (7_000, 7_000), (2**31 - 1, 1), (1, 30_000), (0, 0), (4_000, 3_000)))
    kind = draw.randrange(4)
    if kind == 0:  # a PNG whose lines unpack to zeros, or to fewer than it says, or to more
        lines = zlib.compress(b"\0" * draw.choice((0, 1000, 12_000_000)))
        head = struct.pack(">IIBBBBB", width, height, 8, draw.choice((0, 2, 6)), 0, 0, 0)
        return bytearray(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b""))
    if kind == 1:
        return bytearray(b"GIF89a" + struct.pack("<HHBBB", width % 65536, height % 65536, 0xF7, 0, 0) + b"\0" * 900)
    if kind == 2:
        head = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, draw.choice((1, 8, 24, 32)), 0, 0, 0, 0, 0, 0)
        return bytearray(b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head)
    text = zlib.compress(b"\0" * 50_000_000)  # a comment that unpacks to 50 MB
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return bytearray(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"zTXt", b"k\0\0" + text) + pixels + chunk(b"IEND", b"")
    )


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (flip, flip, flip_head, cut, splice, bomb)


async def fuzz(port: int, mutations: int, seed: int) -> tuple[Counter[int], list[str]]:
    """Number of answers by status, and the mutations that got a server error or no answer."""
    draw, statuses, bad = random.Random(seed), Counter[int](), []
    for number in range(mutations):
        mutate = draw.choice(MUTATIONS)
        body = bytes(mutate(bytearray(draw.choice(pictures())), draw)) or b"\0"
        answer = await ask(port, body)
        statuses[answer.status] += 1
        if answer.status not in (200, 400, 413, 415, 422):
            bad.append(f"{number}: {mutate.__name__}, {body[:16]!r}... of {len(body):,} bytes: {answer.status}")
    return statuses, bad


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints")
    asked = parser.parse_args()
    with serving(asked.checkpoints) as service:
        asyncio.run(fuzz(service.port, 200, asked.seed + 1))  # what is allocated once
        before = service.memory()
        statuses, bad = asyncio.run(fuzz(service.port, asked.mutations, asked.seed))
        after = service.memory()
        alive = service.process.poll() is None
    for status, count in sorted(statuses.items()):
        print(f"answered {status}: {count:,}")
    print("\n".join(bad) or "none was answered 5xx, or not")
    print(f"the server {'is alive' if alive else 'has died'}; {before:.0f} MB before, {after:.0f} MB after")


if __name__ == "__main__":
    main()
