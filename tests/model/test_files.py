"""Files that are whole or not there."""

from pathlib import Path

import pytest

from model.files import replacing


def test_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(path) as partial:
        partial.write_text("half \ud800", encoding="utf-8")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_leftovers_of_a_killed_process_are_written_over(tmp_path: Path) -> None:
    for text in ("killed", "whole"):
        context = replacing(tmp_path / "a.txt")
        partial = context.__enter__()
        partial.write_text(text)
    context.__exit__(None, None, None)
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
