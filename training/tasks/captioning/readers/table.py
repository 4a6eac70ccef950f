"""A table of captions, `captions.csv`, and the pictures in `images/` beside it."""

import csv
from pathlib import Path

from training.data.base import DataError
from training.tasks.captioning.readers.dataset import CaptionDataset, CaptionedImage, build_dataset

PICTURES = "images"
EIGHTH = 8


def read_table(path: Path) -> CaptionDataset:
    """The table's pictures in the order of their names: every eighth is dev, the others train.

    Args:
        path: the table, whose columns are `image` and `caption`; a picture may have several lines.

    Raises:
        DataError: the file is malformed, or a picture is missing or without a caption.
    """
    captions: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if reader.fieldnames != ["image", "caption"]:
                raise DataError(f"{path}: the header is {reader.fieldnames}, not image,caption")
            for row in reader:
                if row["caption"] is None or None in row:
                    raise DataError(f"{path}, line {reader.line_num}: not two columns")
                captions.setdefault(row["image"], []).append(row["caption"])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: {error}") from error
    root = path.parent
    images = (
        CaptionedImage(root / PICTURES / name, "train" if place % EIGHTH else "dev", tuple(captions[name]))
        for place, name in enumerate(sorted(captions))
    )
    return build_dataset(root.name, root, images)
