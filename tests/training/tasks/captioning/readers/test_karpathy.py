"""Karpathy's json files."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from training.tasks.captioning.readers import DataError, open_dataset


def record(name: str, split: str, *texts: str, filepath: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "filename": name,
        "split": split,
        "imgid": 0,
        "sentids": [],
        "sentences": [{"raw": text, "tokens": text.split(), "imgid": 0, "sentid": 0} for text in texts],
    }
    return found if filepath is None else found | {"filepath": filepath, "cocoid": 1}


def write(root: Path, name: str, images: list[dict[str, Any]], folder: str) -> Path:
    for image in images:
        path = root / folder / image.get("filepath", "") / image["filename"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    path = root / f"dataset_{name}.json"
    path.write_text(json.dumps({"images": images, "dataset": name}))
    return path


FLICKR = [
    record("a.jpg", "train", "A dog .", "The dog runs ."),
    record("b.jpg", "val", "A cat ."),
    record("c.jpg", "test", "Two men ."),
]
COCO = [
    record("COCO_val2014_000000000001.jpg", "restval", "A red bus.", filepath="val2014"),
    record("COCO_train2014_000000000002.jpg", "train", "A plate of food.\n", filepath="train2014"),
    record("COCO_val2014_000000000003.jpg", "val", "A zebra.", filepath="val2014"),
]


@pytest.mark.parametrize(
    "folder", [".", "Images", "images", "Flicker8k_Dataset", "flickr30k-images", "flickr30k_images"]
)
def test_flickr(tmp_path: Path, folder: str) -> None:
    write(tmp_path, "flickr30k", FLICKR, folder)
    data = open_dataset(tmp_path)
    assert data.name == "flickr30k"
    assert [(image.path, image.split, image.captions) for image in data.images] == [
        (tmp_path / folder / "a.jpg", "train", ("A dog .", "The dog runs .")),
        (tmp_path / folder / "b.jpg", "dev", ("A cat .",)),
        (tmp_path / folder / "c.jpg", "test", ("Two men .",)),
    ]


@pytest.mark.parametrize("folder", [".", "images"])
def test_coco(tmp_path: Path, folder: str) -> None:
    write(tmp_path, "coco", COCO, folder)
    data = open_dataset(tmp_path)
    assert [(image.path.parent.name, image.split, image.captions) for image in data.images] == [
        ("val2014", "train", ("A red bus.",)),
        ("train2014", "train", ("A plate of food.",)),
        ("val2014", "dev", ("A zebra.",)),
    ]
    assert all(image.path.is_file() for image in data.images)


def test_picture_missing(tmp_path: Path) -> None:
    write(tmp_path, "flickr8k", FLICKR, "Images")
    (tmp_path / "Images" / "b.jpg").unlink()
    with pytest.raises(DataError, match=r"1 picture missing: .*Images/b\.jpg$"):
        open_dataset(tmp_path)


def test_no_pictures_at_all(tmp_path: Path) -> None:
    write(tmp_path, "coco", COCO, "elsewhere")
    with pytest.raises(
        DataError, match=r"no picture COCO_val2014_000000000001\.jpg; looked in val2014, images/val2014, "
    ):
        open_dataset(tmp_path)


def test_picture_without_a_caption(tmp_path: Path) -> None:
    write(tmp_path, "flickr8k", [*FLICKR, record("d.jpg", "val")], "Images")
    with pytest.raises(DataError, match=r"1 picture without a caption: d\.jpg$"):
        open_dataset(tmp_path)


def test_picture_in_two_splits(tmp_path: Path) -> None:
    write(tmp_path, "flickr8k", [*FLICKR, record("a.jpg", "val", "A dog .")], "Images")
    with pytest.raises(DataError, match=r"picture a\.jpg stands twice in the splits \(train and dev\)"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"dataset_x\.json: Invalid JSON: EOF"),
        ('{"dataset": "x"}', r"dataset_x\.json: images: Field required"),
        ('{"dataset": "x", "images": []}', r"dataset_x\.json: no images"),
        (
            '{"dataset": "x", "images": [{"filename": "a.jpg", "split": "holdout", "sentences": []}]}',
            r"images\.0\.split: Input should be 'train', 'restval', 'val' or 'test'",
        ),
        (
            '{"dataset": "x", "images": [{"filename": "a.jpg", "split": "val", "sentences": [{"tokens": []}]}]}',
            r"images\.0\.sentences\.0\.raw: Field required",
        ),
    ],
)
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dataset_x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)
