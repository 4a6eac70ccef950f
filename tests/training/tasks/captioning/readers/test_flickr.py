"""Flickr8k in its own layout and in Kaggle's."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from training.tasks.captioning.readers import CaptionDataset, DataError, open_dataset

SAID = {
    "1_a.jpg": ["A dog runs .", "The brown dog is running ."],
    "2_b.jpg": ["Two children play", 'A girl says " hello " , and waves .'],
    "3_c.jpg": ["A man climbs a rock ."],
}


def draw_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8), "green").save(folder / name)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A data set in the original layout; 3_c is in no split."""
    draw_pictures(tmp_path / "Flicker8k_Dataset", list(SAID))
    lines = [f"{name}#{number}\t{text}" for name, texts in SAID.items() for number, text in enumerate(texts)]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("1_a.jpg\n")
    (tmp_path / "Flickr_8k.devImages.txt").write_text("2_b.jpg\n")
    return tmp_path


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    draw_pictures(tmp_path / "Images", list(SAID))
    with (tmp_path / "captions.txt").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "caption"])
        writer.writerows([name, text] for name, texts in SAID.items() for text in texts)
    return tmp_path


def said(data: CaptionDataset) -> dict[str, list[str]]:
    return {image.path.name: list(image.captions) for image in data.images}


def test_own_layout(own: Path) -> None:
    data = open_dataset(own)
    assert (data.name, data.root, data.notes) == ("flickr8k", own, ())
    (train,) = data.split("train")
    assert train.path == own / "Flicker8k_Dataset" / "1_a.jpg"
    assert train.path.is_file()
    assert train.captions == tuple(SAID["1_a.jpg"])
    assert [image.path.name for image in data.split("dev")] == ["2_b.jpg"]


def test_captions_of_pictures_in_no_split_are_ignored(own: Path) -> None:
    assert said(open_dataset(own)).keys() == {"1_a.jpg", "2_b.jpg"}


def test_the_originals_stray_name_is_no_picture(own: Path) -> None:
    """As in the real file: captions of a .jpg.1 that is neither in the folder nor in a split."""
    with (own / "Flickr8k.token.txt").open("a") as file:
        file.write("1_a.jpg.1#0\tPeople sit in a boat .\n")
    assert said(open_dataset(own))["1_a.jpg"] == SAID["1_a.jpg"]


def test_missing_split_names_those_there_are(own: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'test'; there are train, dev$"):
        open_dataset(own).split("test")


def test_one_split_file_is_enough(own: Path) -> None:
    (own / "Flickr_8k.trainImages.txt").unlink()
    assert said(open_dataset(own)).keys() == {"2_b.jpg"}


def test_no_split_file(own: Path) -> None:
    for path in own.glob("Flickr_8k.*"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"no split file; one of Flickr_8k\.trainImages\.txt, .*testImages\.txt must be"
    ):
        open_dataset(own)


def test_picture_folder_missing(own: Path) -> None:
    (own / "Flicker8k_Dataset").rename(own / "elsewhere")
    with pytest.raises(DataError, match=r"Flicker8k_Dataset: no such folder, and 1_a\.jpg should be in it"):
        open_dataset(own)


def test_missing_pictures_are_named_and_counted(own: Path) -> None:
    names = [f"gone{number}.jpg" for number in range(5)]
    with (own / "Flickr_8k.trainImages.txt").open("a") as file:
        file.write("\n".join(names) + "\n")
    with pytest.raises(DataError, match=r"5 pictures missing: .*gone0\.jpg, .*gone1\.jpg, .*gone2\.jpg and 2 more$"):
        open_dataset(own)


def test_picture_without_a_caption(own: Path) -> None:
    draw_pictures(own / "Flicker8k_Dataset", ["4_d.jpg"])
    with (own / "Flickr_8k.devImages.txt").open("a") as file:
        file.write("4_d.jpg\n")
    with pytest.raises(DataError, match=r"1 picture without a caption: 4_d\.jpg$"):
        open_dataset(own)


def test_caption_without_a_word_is_left_out_in_the_open(own: Path) -> None:
    with (own / "Flickr8k.token.txt").open("a") as file:
        file.write("1_a.jpg#2\t .\n1_a.jpg#3\t\n")
    data = open_dataset(own)
    assert said(data)["1_a.jpg"] == SAID["1_a.jpg"]
    assert data.notes == ("2 captions without a word left out, of 1_a.jpg",)


def test_picture_with_wordless_captions_only(own: Path) -> None:
    path = own / "Flickr8k.token.txt"
    path.write_text(path.read_text().replace("1_a.jpg", "9_z.jpg") + "1_a.jpg#0\t ...\n")
    with pytest.raises(DataError, match=r"1 picture without a caption: 1_a\.jpg"):
        open_dataset(own)


def test_malformed_line(own: Path) -> None:
    with (own / "Flickr8k.token.txt").open("a") as file:
        file.write("\n1_a.jpg A dog\n")
    with pytest.raises(
        DataError, match=r"Flickr8k\.token\.txt, line 7: not PICTURE#NUMBER<tab>CAPTION: '1_a\.jpg A dog'"
    ):
        open_dataset(own)


def test_token_file_is_not_text(own: Path) -> None:
    (own / "Flickr8k.token.txt").write_bytes(b"1_a.jpg#0\t\xff\xfe\n")
    with pytest.raises(DataError, match=r"Flickr8k\.token\.txt: 'utf-8' codec can't decode"):
        open_dataset(own)


def test_picture_in_two_splits(own: Path) -> None:
    with (own / "Flickr_8k.devImages.txt").open("a") as file:
        file.write("1_a.jpg\n")
    with pytest.raises(DataError, match=r"devImages\.txt: 1_a\.jpg is in train already"):
        open_dataset(own)


def test_empty_split_file(own: Path) -> None:
    (own / "Flickr_8k.testImages.txt").write_text("\n")
    with pytest.raises(DataError, match=r"testImages\.txt: lists no picture"):
        open_dataset(own)


def test_kaggle_layout(kaggle: Path) -> None:
    data = open_dataset(kaggle)
    assert said(data) == {name: [" ".join(text.split()) for text in texts] for name, texts in SAID.items()}
    assert all(image.path.is_file() for image in data.images)


def test_kaggle_split_depends_on_the_name_alone(kaggle: Path) -> None:
    before = {image.path.name: image.split for image in open_dataset(kaggle).images}
    names = [f"{number}.jpg" for number in range(800)]
    draw_pictures(kaggle / "Images", names[:1])
    for name in names[1:]:
        (kaggle / "Images" / name).hardlink_to(kaggle / "Images" / names[0])
    with (kaggle / "captions.txt").open("a") as file:
        file.writelines(f"{name},A dog .\n" for name in names)
    data = open_dataset(kaggle)
    after = {image.path.name: image.split for image in data.images}
    assert before.items() <= after.items()
    # Decided once: a data set's splits must not change with a version of Recap.
    assert [number for number in range(80) if after[f"{number}.jpg"] == "test"] == [26, 34, 36, 38, 78]
    assert [number for number in range(80) if after[f"{number}.jpg"] == "dev"] == [0, 5, 19, 35, 59, 75, 79]
    assert [len(data.split(split)) / 803 for split in ("train", "dev", "test")] == pytest.approx(
        [0.75, 0.125, 0.125], abs=0.03
    )


def test_kaggle_with_split_files(kaggle: Path) -> None:
    (kaggle / "Flickr_8k.testImages.txt").write_text("2_b.jpg\n")
    data = open_dataset(kaggle)
    assert [(image.path.name, image.split) for image in data.images] == [("2_b.jpg", "test")]
    assert data.images[0].captions == tuple(SAID["2_b.jpg"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,text\n1_a.jpg,A dog\n", r"the header is 'file,text', not 'image,caption'"),
        ("", r"captions\.txt: no captions"),
        ("image,caption\n", r"captions\.txt: no captions"),
        (
            "image,caption\n1_a.jpg,A dog\n\n1_a.jpg,A dog, running\n",
            r"line 4: 3 columns instead of 2: '1_a\.jpg,A dog",
        ),
        ("image,caption\n1_a.jpg\n", r"line 2: 1 columns instead of 2"),
        ('image,caption\n1_a.jpg,"A dog\n2_b.jpg,A cat"\n', r"line 2: unexpected end of data"),
        ("image,caption\n9_z.jpg,A dog\n", r"1 picture missing: .*9_z\.jpg"),
    ],
)
def test_malformed_kaggle(kaggle: Path, text: str, message: str) -> None:
    (kaggle / "captions.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        open_dataset(kaggle)


@pytest.mark.data
def test_real_flickr8k(flickr8k: Path) -> None:
    data = open_dataset(flickr8k)
    assert len(data.split("train")) == 6000
    assert len(data.split("dev")) == 1000
    assert {len(image.captions) for split in ("train", "dev") for image in data.split(split)} == {5}
    assert data.notes == ()
