"""Recognising data sets, what holds for all of them, and opening their pictures."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from training.data.pictures import open_picture
from training.tasks.captioning.readers import CaptionedImage, DataError, open_dataset
from training.tasks.captioning.readers.dataset import build_dataset


def test_nothing_recognised(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no data set that Recap reads; looked for Flickr8k.token.txt (Flickr8k), "
        "captions.txt (Flickr8k from Kaggle), captions.csv (table of captions), dataset_*.json (Karpathy's splits), "
        "annotations/captions_*20*.json (COCO)"
    )


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder$"):
        open_dataset(tmp_path / "nowhere")


def test_some_other_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.touch()
    with pytest.raises(DataError, match=r"notes\.txt: no data set that Recap reads; looked for"):
        open_dataset(path)


def test_several_data_sets_need_a_choice(tmp_path: Path) -> None:
    (tmp_path / "Images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "Images" / "a.jpg")
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,A dog .\n")
    (tmp_path / "dataset_flickr8k.json").write_text("{}")
    with pytest.raises(DataError, match=r"give the path of one of captions\.txt, dataset_flickr8k\.json$"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path / "captions.txt").images) == 1


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "Images" / "a.jpg")
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,A dog .\n")
    monkeypatch.chdir(tmp_path)
    for path in (Path(), Path("captions.txt")):
        assert [image.path for image in open_dataset(path).images] == [tmp_path / "Images" / "a.jpg"]


def test_many_pictures_are_found_by_one_listing_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [CaptionedImage(tmp_path / part / f"{n}.jpg", "train", ("A dog .",)) for n in range(50) for part in "ab"]
    for image in images:
        image.path.parent.mkdir(exist_ok=True)
        image.path.touch()
    listed: list[str] = []
    scandir = os.scandir

    def count(path: str) -> "os._ScandirIterator[str]":
        listed.append(os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", count)
    monkeypatch.setattr(os, "stat", None)
    assert len(build_dataset("x", tmp_path, images).images) == 100
    assert sorted(listed) == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_empty_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no picture in any split"):
        build_dataset("x", tmp_path, [])


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.jpg", "L"), ("a.jpg", "CMYK"), ("a.png", "RGBA"), ("a.png", "P"), ("a.png", "1"), ("a.gif", "P")],
)
def test_pictures_open_as_rgb(tmp_path: Path, name: str, mode: str) -> None:
    Image.new(mode, (9, 7)).save(tmp_path / name)
    image = open_picture(tmp_path / name)
    assert (image.mode, image.size) == ("RGB", (9, 7))
    image.getpixel((0, 0))  # decoded, not waiting for a file that has been closed


def test_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 8), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "a.jpg", exif=exif)
    assert open_picture(tmp_path / "a.jpg").size == (8, 16)


def broken_files(folder: Path) -> Iterator[Path]:
    Image.effect_noise((64, 64), 90).save(folder / "whole.jpg")
    Image.effect_noise((64, 64), 90).save(folder / "whole.png")
    for name in ("whole.jpg", "whole.png"):
        data = (folder / name).read_bytes()
        for kind, content in {"cut": data[: len(data) // 2], "empty": b"", "text": b"not a picture"}.items():
            path = folder / f"{kind}-{name}"
            path.write_bytes(content)
            yield path
    data = (folder / "whole.png").read_bytes()
    path = folder / "broken-chunk.png"
    path.write_bytes(data[:33] + b"\0\0\0\1\xff\xff\xff\xff" + data[41:])
    yield path
    folder.joinpath("folder.jpg").mkdir()
    yield folder / "folder.jpg"


def test_broken_picture_is_named(tmp_path: Path) -> None:
    for path in broken_files(tmp_path):
        with pytest.raises(DataError, match=rf"/{path.name}: ."):
            open_picture(path)


def test_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: no such file$"):
        open_picture(tmp_path / "gone.jpg")


def test_picture_too_large_to_decode(tmp_path: Path) -> None:
    Image.new("1", (8_001, 8_000)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: the picture has 8,001 x 8,000 pixels; at most 64,000,000"):
        open_picture(tmp_path / "a.png")


def test_a_name_in_another_unicode_form_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "cafe\u0301.png")
    images = [CaptionedImage(tmp_path / "café.png", "train", ("a cup",))]
    with pytest.raises(DataError, match=r"café\.png \(there is 'cafe\\u0301\.png', in another Unicode form\)"):
        build_dataset("cups", tmp_path, images)


def test_captions_without_spaces_are_noted(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    noted = build_dataset(
        "dogs", tmp_path, [CaptionedImage(tmp_path / "a.png", "train", ("一只棕色的狗在草地上奔跑", "狗"))]
    )
    assert noted.notes == ()  # half of them
    noted = build_dataset(
        "dogs", tmp_path, [CaptionedImage(tmp_path / "a.png", "train", ("一只棕色的狗在草地上奔跑",))]
    )
    assert "1 of 1 captions are a single word: put spaces between the words" in noted.notes[0]
