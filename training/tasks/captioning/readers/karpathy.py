"""Karpathy's splits (Karpathy and Fei-Fei 2015) of Flickr8k, Flickr30k and COCO: one `dataset_*.json` each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from training.data.base import DataError
from training.data.records import read_records
from training.tasks.captioning.readers.dataset import CaptionDataset, CaptionedImage, build_dataset

# Where people keep the pictures, seen from the json file.
FOLDERS = (".", "images", "Images", "Flicker8k_Dataset", "flickr30k-images", "flickr30k_images")
# `restval` is the part of COCO's val2014 that Karpathy adds to training.
_SPLITS = {"train": "train", "restval": "train", "val": "dev", "test": "test"}


class _Sentence(BaseModel):
    raw: str


class _Image(BaseModel):
    filename: str
    filepath: str = ""
    split: Literal["train", "restval", "val", "test"]
    sentences: list[_Sentence]


class _Dataset(BaseModel):
    dataset: str
    images: list[_Image]


def read_karpathy(path: Path) -> CaptionDataset:
    """The json file and its pictures, which lie in one of `FOLDERS` beside it, COCO's in `filepath` below that.

    Raises:
        DataError: the file is malformed, or a picture is missing or without a caption.
    """
    found = read_records(_Dataset, path)
    if not found.images:
        raise DataError(f"{path}: no images")
    folder = _picture_folder(path.parent, found.images[0])

    def images() -> Iterator[CaptionedImage]:
        for image in found.images:
            captions = tuple(sentence.raw for sentence in image.sentences)
            yield CaptionedImage(folder / image.filepath / image.filename, _SPLITS[image.split], captions)

    return build_dataset(found.dataset, path.parent, images())


def _picture_folder(root: Path, first: _Image) -> Path:
    """The folder whose listing, not only the first picture, is then held against the file."""
    relative = Path(first.filepath, first.filename)
    for name in FOLDERS:
        if (root / name / relative.parent).is_dir() and (name != "." or (root / relative).is_file()):
            return root / name
    places = ", ".join(str(Path(name) / relative.parent) for name in FOLDERS)
    raise DataError(f"{root}: no picture {first.filename}; looked in {places}")
