"""Captions of batches, as Ray Data hands them over."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image

from model.tasks.captioning.captioner import Captioner as Network
from recap.ray import CaptionBatch

Encode = Callable[..., bytes]


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    def encode(image: Image.Image) -> bytes:
        image.save(tmp_path / "x.png")
        return (tmp_path / "x.png").read_bytes()

    return encode


def test_columns_are_added_and_faults_told_row_by_row(
    tiny_checkpoint: Path, tiny_captioner: Network, pictures: list[Image.Image], encode: Encode
) -> None:
    data = [encode(pictures[0]), b"no picture", encode(pictures[1])]
    batch = {"id": numpy.arange(3), "photo": numpy.array(data, dtype=object)}
    found = CaptionBatch(tiny_checkpoint, column="photo", beam_size=2)(batch)
    assert list(found) == ["id", "photo", "caption", "confidence", "error"]
    assert found["caption"][1] == ""
    assert "not a picture" in found["error"][1]
    assert found["confidence"][1] == 0
    assert list(found["error"][[0, 2]]) == ["", ""]
    assert all(found["confidence"][[0, 2]] > 0)
    assert all(len(text.split()) > 3 for text in found["caption"][[0, 2]])


def test_pictures_may_be_paths(tiny_checkpoint: Path, picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.png")
    batch = {"path": numpy.array([str(tmp_path / "a.png"), str(tmp_path / "b.png")])}
    found = CaptionBatch(tiny_checkpoint, column="path")(batch)
    assert found["caption"][0]
    assert "No such file" in found["error"][1]


def test_column_that_is_not_there_is_told(tiny_checkpoint: Path) -> None:
    with pytest.raises(KeyError, match="no column 'bytes' but photo; name one with column="):
        CaptionBatch(tiny_checkpoint)({"photo": numpy.array([b""])})
