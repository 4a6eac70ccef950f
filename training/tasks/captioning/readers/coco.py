"""COCO Captions (Chen et al. 2015), 2014 and 2017: `annotations/captions_*.json` and a folder of pictures for each."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from model.messages import some
from training.data.base import DataError
from training.data.records import read_records
from training.tasks.captioning.readers.dataset import CaptionDataset, CaptionedImage, build_dataset

# COCO's test captions were never published, so its validation pictures are our dev split and there is no test split.
_SPLITS = {"train": "train", "val": "dev"}
_NAME = re.compile(r"captions_(?:train|val)(?P<year>2014|2017)\.json")


class _Image(BaseModel):
    id: int
    file_name: str


class _Annotation(BaseModel):
    image_id: int
    caption: str


class _Captions(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]


def annotation_years(root: Path) -> list[Path]:
    """An annotation file of each year that is there."""
    years: dict[str, Path] = {}
    for path in sorted((root / "annotations").glob("captions_*.json")):
        if match := _NAME.fullmatch(path.name):
            years.setdefault(match["year"], path)
    return list(years.values())


def read_coco(path: Path) -> CaptionDataset:
    """The year of the annotation file given: its train and val parts, or the one of them that is there.

    Raises:
        DataError: a file is malformed, or a picture is missing or without a caption.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise DataError(f"{path}: not captions_{{train,val}}{{2014,2017}}.json")
    root, year = path.parent.parent, match["year"]

    def images() -> Iterator[CaptionedImage]:
        for part, split in _SPLITS.items():
            annotations = path.with_name(f"captions_{part}{year}.json")
            if annotations.exists():
                yield from _read_part(annotations, root / f"{part}{year}", split)

    return build_dataset(f"coco{year}", root, images())


def _read_part(path: Path, folder: Path, split: str) -> Iterator[CaptionedImage]:
    found = read_records(_Captions, path)
    if not found.images:
        raise DataError(f"{path}: no images")
    captions: dict[int, list[str]] = {image.id: [] for image in found.images}
    if unknown := [annotation.image_id for annotation in found.annotations if annotation.image_id not in captions]:
        raise DataError(f"{path}: captions of images that it does not list: {some(unknown)}")
    for annotation in found.annotations:
        captions[annotation.image_id].append(annotation.caption)
    for image in found.images:
        yield CaptionedImage(folder / image.file_name, split, tuple(captions[image.id]))
