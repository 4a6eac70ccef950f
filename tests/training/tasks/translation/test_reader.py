"""Parallel text: a sentence a line, in two files that belong together."""

from pathlib import Path

import pytest

from training.data.base import DataError
from training.tasks.translation.reader import has_split, read_pairs


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_de", ".de").replace("_en", ".en")).write_text(text, encoding="utf-8")


def test_pairs_are_read_in_either_direction(tmp_path: Path) -> None:
    write(tmp_path, val_en="A dog.\r\n A\u2028cat. \n", val_de="Ein Hund.\nEine Katze.\n")
    pairs = read_pairs(tmp_path, "dev", "en", "de")
    assert (pairs.sources, pairs.targets) == (["A dog.", "A\u2028cat."], ["Ein Hund.", "Eine Katze."])
    assert read_pairs(tmp_path, "dev", "de", "en").sources == pairs.targets
    assert has_split(tmp_path, "dev", "en", "de")
    assert not has_split(tmp_path, "test", "en", "de")


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        read_pairs(tmp_path / "nowhere", "train", "en", "de")
    write(tmp_path, train_en="a\n")
    with pytest.raises(DataError, match=r"no split train: it needs train\.en and train\.de"):
        read_pairs(tmp_path, "train", "en", "de")
    write(tmp_path, train_de="a\nb\n")
    with pytest.raises(DataError, match=r"train\.en has 1 lines, train\.de has 2"):
        read_pairs(tmp_path, "train", "en", "de")
    write(tmp_path, train_en="a\n\nb\n")
    with pytest.raises(DataError, match=r"train\.en, line 2: an empty line"):
        read_pairs(tmp_path, "train", "en", "de")
    (tmp_path / "train.en").write_bytes(b"a\n\xff\n")
    with pytest.raises(DataError, match=r"train\.en: byte 2 is not UTF-8"):
        read_pairs(tmp_path, "train", "en", "de")
    with pytest.raises(DataError, match="split=val: there are train, dev, test"):
        read_pairs(tmp_path, "val", "en", "de")
