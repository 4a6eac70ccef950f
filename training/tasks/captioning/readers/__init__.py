"""Caption data sets on disk, each recognised by the files it consists of."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from training.data.base import DataError
from training.tasks.captioning.readers.coco import annotation_years, read_coco
from training.tasks.captioning.readers.dataset import CaptionDataset, CaptionedImage
from training.tasks.captioning.readers.flickr import read_flickr8k, read_kaggle
from training.tasks.captioning.readers.karpathy import read_karpathy
from training.tasks.captioning.readers.table import read_table

__all__ = ["CaptionDataset", "CaptionedImage", "DataError", "open_dataset"]


class _Layout(NamedTuple):
    name: str
    pattern: str
    """Pattern of the file that a data set is known by, seen from its folder."""
    read: Callable[[Path], CaptionDataset]
    find: Callable[[Path], list[Path]] | None = None
    """Finds the files, if `pattern` alone finds more of them than there are data sets."""


_LAYOUTS = (
    _Layout("Flickr8k", "Flickr8k.token.txt", read_flickr8k),
    _Layout("Flickr8k from Kaggle", "captions.txt", read_kaggle),
    _Layout("table of captions", "captions.csv", read_table),
    _Layout("Karpathy's splits", "dataset_*.json", read_karpathy),
    _Layout("COCO", "annotations/captions_*20*.json", read_coco, annotation_years),
)


def open_dataset(path: Path) -> CaptionDataset:
    """Reads the data set in a folder, whatever its layout.

    Where a folder holds several, the path is that of a file that one is known by, say `DIR/dataset_coco.json`.

    Raises:
        DataError: no layout is recognised, or several are, or the data set is incomplete.
    """
    path = path.absolute()
    if path.is_file():
        for layout in _LAYOUTS:
            if path.match(layout.pattern):
                return layout.read(path)
    elif path.is_dir():
        found = [
            (layout, file)
            for layout in _LAYOUTS
            for file in (layout.find(path) if layout.find else sorted(path.glob(layout.pattern)))
        ]
        if len(found) > 1:
            files = ", ".join(str(file.relative_to(path)) for _, file in found)
            raise DataError(f"{path}: several data sets; give the path of one of {files}")
        for layout, file in found:
            return layout.read(file)
    else:
        raise DataError(f"{path}: no such file or folder")
    looked_for = ", ".join(f"{layout.pattern} ({layout.name})" for layout in _LAYOUTS)
    raise DataError(f"{path}: no data set that Recap reads; looked for {looked_for}")
