"""COCO's own annotations."""

import json
from pathlib import Path

import pytest
from PIL import Image

from training.tasks.captioning.readers import DataError, open_dataset


def write_part(root: Path, part: str, captions: dict[int, list[str]]) -> Path:
    (root / part).mkdir(exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    for number in captions:
        Image.new("RGB", (8, 8)).save(root / part / f"{number:012}.jpg")
    path = root / "annotations" / f"captions_{part}.json"
    pairs = [(number, text) for number, texts in captions.items() for text in texts]
    path.write_text(
        json.dumps(
            {
                "info": {"year": 2017},
                "licenses": [],
                "images": [{"id": number, "file_name": f"{number:012}.jpg", "license": 1} for number in captions],
                "annotations": [
                    {"id": place, "image_id": number, "caption": text} for place, (number, text) in enumerate(pairs)
                ],
            }
        )
    )
    return path


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    write_part(tmp_path, "train2017", {1: ["A red bus.", "A bus on a\nstreet. "], 2: ["A plate of food."]})
    write_part(tmp_path, "val2017", {3: ["A zebra."]})
    return tmp_path


def test_train_and_val(coco: Path) -> None:
    data = open_dataset(coco)
    assert data.name == "coco2017"
    assert [(image.path, image.split, image.captions) for image in data.images] == [
        (coco / "train2017" / "000000000001.jpg", "train", ("A red bus.", "A bus on a street.")),
        (coco / "train2017" / "000000000002.jpg", "train", ("A plate of food.",)),
        (coco / "val2017" / "000000000003.jpg", "dev", ("A zebra.",)),
    ]


def test_one_part_is_enough(coco: Path) -> None:
    (coco / "annotations" / "captions_train2017.json").unlink()
    data = open_dataset(coco)
    assert len(data.split("dev")) == 1
    with pytest.raises(DataError, match=r"no split 'train'; there are dev"):
        data.split("train")


def test_other_annotations_are_left_alone(coco: Path) -> None:
    (coco / "annotations" / "instances_train2017.json").write_text("{}")
    (coco / "annotations" / "captions_test2017.json").write_text("{}")
    assert len(open_dataset(coco).images) == 3


def test_two_years_need_a_choice(coco: Path) -> None:
    write_part(coco, "train2014", {1: ["A red bus."]})
    write_part(coco, "val2014", {2: ["A plate."]})
    with pytest.raises(
        DataError,
        match=r"several data sets; .*one of annotations/captions_train2014\.json, annotations/captions_train2017",
    ):
        open_dataset(coco)
    chosen = open_dataset(coco / "annotations" / "captions_val2014.json")
    assert (chosen.name, len(chosen.images)) == ("coco2014", 2)


def test_images_without_captions(coco: Path) -> None:
    write_part(coco, "val2017", {number: [] if number > 3 else ["A zebra."] for number in range(3, 9)})
    with pytest.raises(
        DataError, match=r"5 pictures without a caption: 0{11}4\.jpg, 0{11}5\.jpg, 0{11}6\.jpg and 2 more$"
    ):
        open_dataset(coco)


def test_picture_missing(coco: Path) -> None:
    (coco / "train2017" / "000000000002.jpg").unlink()
    with pytest.raises(DataError, match=r"1 picture missing: .*train2017/000000000002\.jpg$"):
        open_dataset(coco)


def test_captions_of_unlisted_images(coco: Path) -> None:
    path = coco / "annotations" / "captions_val2017.json"
    found = json.loads(path.read_text())
    found["annotations"] += [{"id": 9, "image_id": 77, "caption": "A cat."}]
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=r"captions_val2017\.json: captions of images that it does not list: 77$"):
        open_dataset(coco)


def test_no_images(coco: Path) -> None:
    (coco / "annotations" / "captions_val2017.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(DataError, match=r"captions_val2017\.json: no images"):
        open_dataset(coco)


def test_malformed(coco: Path) -> None:
    (coco / "annotations" / "captions_val2017.json").write_text('{"images": [{"id": "x", "file_name": "a"}]}')
    with pytest.raises(DataError, match=r"captions_val2017\.json: images\.0\.id: Input should be a valid integer"):
        open_dataset(coco)
