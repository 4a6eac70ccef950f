"""Running text from files and folders, and the cuts through it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.base import DataError
from training.data.text import read_text, split_text


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("ä\r\nb\n".encode())
    assert read_text(tmp_path / "a.txt") == "ä\r\nb\n"


def test_a_folder_is_its_files_in_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".git").mkdir()
    for name, text in (("b.c", "B"), ("a.c", "A"), ("deep/c.c", "C"), (".git/d.c", "D"), ("e.h", "E")):
        (tmp_path / name).write_text(text)
    assert read_text(tmp_path) == "ABCE"
    assert read_text(tmp_path, "**/*.c") == "ABC"


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        read_text(tmp_path / "nowhere")
    with pytest.raises(DataError, match=re.escape("no file in it matches *.tex")):
        read_text(tmp_path, "*.tex")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"latin\.txt: byte 3 is not UTF-8"):
        read_text(tmp_path)


@given(st.text(min_size=30), st.floats(0.1, 0.4), st.sampled_from([0.0, 0.1, 0.3]))
def test_the_parts_are_the_text(text: str, dev: float, test: float) -> None:
    parts = split_text(text, dev=dev, test=test)
    assert parts.train + parts.dev + parts.test == text
    assert len(parts.train) == pytest.approx(len(text) * (1 - dev - test), abs=1)
    assert len(parts.test) == pytest.approx(len(text) * test, abs=1)


@pytest.mark.parametrize(("length", "test"), [(0, 0.0), (1, 0.0), (5, 0.1), (20, 0.95)])
def test_an_empty_part_is_an_error(length: int, test: float) -> None:
    with pytest.raises(DataError, match=f"test={test} of {length} characters leave"):
        split_text("x" * length, dev=0.1, test=test)
