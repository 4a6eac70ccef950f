"""The study of k1 and k2: its task, what it finds in small, and what it writes."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from training.cli import app
from training.lab.truncation import Study, copies, examine, nats


@settings(max_examples=20)
@given(distance=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_targets_are_what_was_read(distance: int, seed: int) -> None:
    inputs, targets = copies(3, 20, distance, torch.Generator().manual_seed(seed))
    assert inputs.shape == (3, 20, 2)
    assert (targets[:, :distance] == -100).all()
    assert torch.equal(inputs[:, :-distance].argmax(2), targets[:, distance:])


def test_steps_without_a_target_cost_nothing() -> None:
    scores, targets = torch.randn(2, 3, 2), torch.tensor([[-100, 1, 0], [-100, 0, 0]])
    expected = torch.nn.functional.cross_entropy(scores[:, 1:].flatten(0, 1), targets[:, 1:].flatten())
    torch.testing.assert_close(nats(scores, targets), expected)
    assert nats(scores, torch.full((2, 3), -100)) == 0


def test_only_gradients_that_reach_the_symbol_learn_it() -> None:
    study = Study(range=4, length=40, sequences=20, hidden_size=24, batch_size=16, learning_rate=2e-2)
    reaching, short = examine(study, 1, 8), examine(study, 1, 2)
    assert reaching.loss < 0.1
    assert short.loss > 0.3
    assert (reaching.updates, short.updates) == (20 * 40, 20 * 40)
    assert examine(study.model_copy(update={"sequences": 2}), 20, 20).updates == 4


def test_same_study_same_losses() -> None:
    study = Study(range=2, length=20, sequences=2, hidden_size=4)
    assert examine(study, 5, 10).loss == examine(study, 5, 10).loss
    assert examine(study, 5, 10).loss != examine(study, 10, 10).loss


def test_the_command_writes_a_table_and_a_picture(tmp_path: Path) -> None:
    command = ["lab", "truncation", "--out", str(tmp_path), "--range", "2", "--sequences", "1"]
    for k1, k2 in ((20, 40), (40, 20)):  # 20, 20 and 20, 40 and 40, 40 are tried
        command += ["--k1", str(k1), "--k2", str(k2)]
    answer = CliRunner().invoke(app, command, catch_exceptions=False)
    assert answer.exit_code == 0
    assert (tmp_path / "summary.md").read_text() in answer.stdout
    with (tmp_path / "truncation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["k1"], row["k2"]) for row in rows] == [("20", "20"), ("20", "40"), ("40", "40")]
    assert all(0 < float(row["loss"]) < 1 for row in rows)
    with Image.open(tmp_path / "truncation.png") as picture:
        pixels: set[Any] = set(picture.convert("RGB").get_flattened_data())
        assert len(pixels) > 20
        assert all(max(pixel) - min(pixel) < 10 for pixel in pixels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cell", "lstn"], "no cell 'lstn'; there are rnn"),
        (["--k1", "0"], "k1: "),
        (["--k1", "9", "--k2", "8"], "every k2 is less than every k1"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(options: list[str], message: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["lab", "truncation", "--out", str(tmp_path / "out"), *options])
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()
