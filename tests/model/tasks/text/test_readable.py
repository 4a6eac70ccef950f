"""Readable cells as an asset of a checkpoint: optional, checked against the layers, and kept as they are."""

from pathlib import Path

import pytest

from model.checkpoint import Checkpoint, CheckpointError, file_sha256, save
from model.tasks.text import TEXT
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.readable import ReadableCell, ReadableCells
from tests.model.conftest import random_model

CELLS = ReadableCells(
    data_sha256="0" * 64,
    chosen_on=10,
    reported_on=11,
    cells=(ReadableCell(layer=2, cell=23, trait="column", label="characters of the line so far", r=-0.9),),
)


def saved(path: Path, cells: ReadableCells | None) -> Checkpoint[LanguageModelConfig, LanguageModel]:
    model = random_model()
    model.readable = cells
    return save(path, TEXT, model, name="tiny", metrics={}, card="")


def test_checkpoints_keep_readable_cells(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "tiny", CELLS)
    assert checkpoint.has("readable")
    assert checkpoint.load().readable == CELLS


def test_checkpoints_without_readable_cells_load(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "tiny", None)
    assert not checkpoint.has("readable")
    assert not (tmp_path / "tiny" / "cells.json").exists()
    assert checkpoint.load().readable is None


def test_cell_that_the_layers_do_not_have_is_refused(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "tiny", CELLS)
    file = tmp_path / "tiny" / "cells.json"
    config = tmp_path / "tiny" / "config.json"
    before = file_sha256(file)
    file.write_text(file.read_text().replace('"layer": 2', '"layer": 3'))
    config.write_text(config.read_text().replace(before, file_sha256(file)))
    message = r"cell 23 of layer 3 is readable, but there are 2 layers of 24 cells"
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.open(checkpoint.path).load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "the file: "),
        ('{"cells": []}', "data_sha256: "),
        (CELLS.model_dump_json().replace("-0.9", "-1.1"), r"cells\.0\.r: .*greater than or equal to -1"),
    ],
)
def test_file_that_holds_something_else_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "cells.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"^{message}"):
        ReadableCells.read(file)
