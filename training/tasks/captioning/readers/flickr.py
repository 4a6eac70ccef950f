"""Flickr8k (Hodosh, Young and Hockenmaier 2013), in its own layout and in the one it has on Kaggle."""

import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from training.data.base import SPLITS, DataError
from training.tasks.captioning.readers.dataset import CaptionDataset, CaptionedImage, build_dataset, read_lines

PICTURES = "Flicker8k_Dataset"  # spelt so in the original
KAGGLE_PICTURES = "Images"

# Names are not held to end in .jpg: the original file has five captions of a "2258277193_586949ec62.jpg.1", which is
# neither among the pictures nor in a split, and so drops out with the captions of all pictures that are in no split.
_LINE = re.compile(r"(?P<picture>[^\t]+)#\d+\t(?P<caption>.*)")


def split_file(split: str) -> str:
    """Name of the file that lists a split's pictures, one a line."""
    return f"Flickr_8k.{split}Images.txt"


def read_flickr8k(path: Path) -> CaptionDataset:
    """The original layout: `Flickr8k.token.txt` (the path given), the pictures and the split files beside it.

    Not every split needs its file, but one must be there. Captions of pictures in no split are ignored.

    Raises:
        DataError: a file is missing or malformed, or a picture in a split is missing or without a caption.
    """
    root = path.parent
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{path}, line {number}: not PICTURE#NUMBER<tab>CAPTION: {line[:80]!r}")
        captions.setdefault(match["picture"], []).append(match["caption"])
    splits = _read_splits(root)
    if not splits:
        raise DataError(f"{root}: no split file; one of {', '.join(map(split_file, SPLITS))} must be there")
    return build_dataset("flickr8k", root, _images(root / PICTURES, splits, captions))


def read_kaggle(path: Path) -> CaptionDataset:
    """Kaggle's layout: `captions.txt` (the path given; CSV with the header `image,caption`) and `Images/` beside it.

    It has no splits. Where the original's split files lie beside it they rule; else each picture's split is decided by
    the SHA-256 of its file name alone, so that it is the same on every machine and stays when pictures are added: of
    eight equal ranges the first is test, the second dev, the other six train.

    Raises:
        DataError: a file is missing or malformed, or a picture in a split is missing or without a caption.
    """
    root = path.parent
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if number > 1 and not line.strip():
            continue
        try:  # each line by itself, so that a quote left open can't swallow those after it
            row = next(csv.reader([line], strict=True), [])
        except csv.Error as error:
            raise DataError(f"{path}, line {number}: {error}: {line[:80]!r}") from error
        if number == 1 and row != ["image", "caption"]:
            raise DataError(f"{path}: the header is {line!r}, not 'image,caption'")
        if len(row) != 2:
            raise DataError(f"{path}, line {number}: {len(row)} columns instead of 2: {line[:80]!r}")
        if number > 1:
            captions.setdefault(row[0], []).append(row[1])
    if not captions:
        raise DataError(f"{path}: no captions")
    splits = _read_splits(root) or {name: _hashed_split(name) for name in captions}
    return build_dataset("flickr8k", root, _images(root / KAGGLE_PICTURES, splits, captions))


def _read_splits(root: Path) -> dict[str, str]:
    """Split of each picture, in the order of the files."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        path = root / split_file(split)
        if not path.exists():
            continue
        names = [line.strip() for line in read_lines(path) if line.strip()]
        if not names:
            raise DataError(f"{path}: lists no picture")
        for name in names:
            if name in splits:
                raise DataError(f"{path}: {name} is in {splits[name]} already")
            splits[name] = split
    return splits


def _hashed_split(name: str) -> str:
    return {0: "test", 1: "dev"}.get(hashlib.sha256(name.encode()).digest()[0] // 32, "train")


def _images(folder: Path, splits: dict[str, str], captions: dict[str, list[str]]) -> Iterator[CaptionedImage]:
    for name, split in splits.items():
        yield CaptionedImage(folder / name, split, tuple(captions.get(name, ())))
