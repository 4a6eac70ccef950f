"""Pictures with captions: the form that every data set is read into."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.messages import some
from model.vocabulary import tokenize
from training.data.base import SPLITS, DataError


@dataclass(frozen=True)
class CaptionedImage:
    """A picture and the sentences that people wrote about it."""

    path: Path
    split: str
    captions: tuple[str, ...]
    """Word for word, with runs of white space as one space."""


@dataclass(frozen=True)
class CaptionDataset:
    """A whole data set: its pictures all exist, each has a caption, and each caption has a word."""

    name: str
    root: Path
    images: tuple[CaptionedImage, ...]
    notes: tuple[str, ...] = ()
    """Captions that were left out, and why."""

    def split(self, name: str) -> tuple[CaptionedImage, ...]:
        """The pictures of `train`, `dev` or `test`.

        Raises:
            DataError: the data set has no such split; the message names those there are.
        """
        images = tuple(image for image in self.images if image.split == name)
        if not images:
            there = [split for split in SPLITS if any(image.split == split for image in self.images)]
            raise DataError(f"{self.root}: no split {name!r}; there are {', '.join(there)}")
        return images

    def sha256(self) -> str:
        """Digest of each picture's name, split and captions, which tells two versions of a data set apart."""
        digest = hashlib.sha256()
        for image in sorted(self.images, key=lambda image: image.path.name):
            digest.update(json.dumps([image.path.name, image.split, image.captions]).encode())
        return digest.hexdigest()


def build_dataset(name: str, root: Path, images: Iterable[CaptionedImage]) -> CaptionDataset:
    """Checks that pictures are as `CaptionDataset` promises.

    A caption without a word (there are some in public data sets) is left out, with a note.

    Raises:
        DataError: a picture is in two places of the splits, its file is missing, or it has no caption.
    """
    kept: list[CaptionedImage] = []
    wordless: list[str] = []
    seen: dict[Path, str] = {}
    for image in images:
        if image.path in seen:
            where = " and ".join(dict.fromkeys((seen[image.path], image.split)))
            raise DataError(f"{root}: picture {image.path.name} stands twice in the splits ({where})")
        seen[image.path] = image.split
        captions = tuple(" ".join(caption.split()) for caption in image.captions)
        worded = tuple(caption for caption in captions if tokenize(caption))
        wordless += [image.path.name] * (len(captions) - len(worded))
        kept.append(CaptionedImage(image.path, image.split, worded))
    if not kept:
        raise DataError(f"{root}: no picture in any split")
    if missing := _missing(seen):
        raise DataError(f"{root}: {_count(missing, 'picture')} missing: {some(missing)}")
    if bare := [image.path.name for image in kept if not image.captions]:
        raise DataError(f"{root}: {_count(bare, 'picture')} without a caption: {some(bare)}")
    note = f"{_count(wordless, 'caption')} without a word left out, of {some(list(dict.fromkeys(wordless)))}"
    return CaptionDataset(name, root, tuple(kept), (note,) if wordless else ())


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that has to be there, without their ends.

    Raises:
        DataError: it is not, or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            return [line.removesuffix("\n") for line in file]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error


def _count(names: Sequence[object], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"


def _missing(paths: Iterable[Path]) -> list[Path]:
    """Files that don't exist, found by listing each folder once: 100,000 calls of stat take minutes on a network."""
    listed: dict[Path, set[str]] = {}
    missing = []
    for path in paths:
        folder = path.parent
        if folder not in listed:
            try:
                with os.scandir(folder) as entries:
                    listed[folder] = {entry.name for entry in entries}
            except (FileNotFoundError, NotADirectoryError):
                raise DataError(f"{folder}: no such folder, and {path.name} should be in it") from None
        if path.name not in listed[folder]:
            missing.append(path)
    return missing
