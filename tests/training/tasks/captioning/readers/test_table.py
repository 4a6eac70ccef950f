"""The reader of a table of captions."""

from pathlib import Path

import pytest

from training.data.base import DataError
from training.tasks.captioning.readers import open_dataset


def table(root: Path, text: str) -> None:
    (root / "images").mkdir()
    for number in range(10):
        (root / "images" / f"{number}.jpg").touch()
    (root / "captions.csv").write_text(text)


def test_every_eighth_picture_is_dev(tmp_path: Path) -> None:
    table(tmp_path, "image,caption\n" + "".join(f'{number}.jpg,"A dog, {number}"\n' for number in range(9, -1, -1)))
    data = open_dataset(tmp_path)
    assert [image.path.name for image in data.split("dev")] == ["0.jpg", "8.jpg"]
    assert len(data.split("train")) == 8
    assert data.split("dev")[1].captions == ("A dog, 8",)


@pytest.mark.parametrize(
    ("text", "message"),
    [("file,caption\n", "not image,caption"), ("image,caption\n1.jpg\n", "line 2"), ('image,caption\n1.jpg,"a', "end")],
)
def test_malformed_table_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    table(tmp_path, text)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)
