"""Word vectors from a folder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.base import DataError
from training.data.vectors import Vectors


def write(folder: Path, words: str, vectors: np.ndarray) -> Path:
    (folder / "words.txt").write_text(words, encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)
    return folder


def test_words_have_their_rows(tmp_path: Path) -> None:
    vectors = Vectors(write(tmp_path, "a\ncafé\nzebra\n", np.arange(6, dtype=np.float16).reshape(3, 2)))
    assert vectors.size == 2
    assert "café" in vectors
    assert "dog" not in vectors
    assert torch.equal(vectors.of(["zebra", "a"]), torch.tensor([[4.0, 5.0], [0.0, 1.0]]))
    assert vectors.of([]).shape == (0, 2)


@pytest.mark.parametrize("shape", [(2, 2), (6,)])
def test_rows_that_do_not_fit_the_words_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"vectors\.npy: a row for each of 3 words is needed; it is \d"):
        Vectors(write(tmp_path, "a\nb\nc\n", np.zeros(shape)))


def test_files_that_are_missing_or_pickled_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"words\.txt: no such file"):
        Vectors(tmp_path)
    (tmp_path / "words.txt").write_text("a\n")
    with pytest.raises(DataError, match=r"vectors\.npy"):
        Vectors(tmp_path)
    np.save(tmp_path / "vectors.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"vectors\.npy"):
        Vectors(tmp_path)
