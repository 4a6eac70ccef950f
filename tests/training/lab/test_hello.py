"""The lecture's network, learnt and printed."""

import time

import pytest
from typer.testing import CliRunner

from training.cli import app
from training.lab.hello import LETTERS, WORD, figure, spell, train


@pytest.mark.parametrize("seed", [2, 3])
def test_learns_the_word(seed: int) -> None:
    network, loss = train(seed=seed)
    assert spell(network) == WORD
    assert loss < 0.1
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    assert shapes["cell.weight_hh"] == (3, 3)
    assert shapes["output.weight"] == (4, 3)


def test_does_not_know_it_untrained() -> None:
    network, _ = train(steps=1)
    assert spell(network) != WORD


def test_the_figure_shows_every_layer_at_every_step() -> None:
    network, _ = train()
    lines = list(figure(network))
    assert [line.split()[0] for line in lines if line] == ["vocabulary", *["step", "input", "hidden", "output"] * 4]
    numbers = [[float(n) for n in line.split("[")[1].split("]")[0].split()] for line in lines[1:] if "[" in line]
    assert [len(vector) for vector in numbers] == [4, 3, 4] * 4
    for letter, vector in zip("hell", numbers[::3], strict=True):
        assert vector == [float(letter == other) for other in LETTERS]
    assert all(abs(value) <= 1 for vector in numbers[1::3] for value in vector)  # tanh
    for letter, vector in zip("ello", numbers[2::3], strict=True):
        assert LETTERS[vector.index(max(vector))] == letter


def test_the_command_spells_hello_in_five_seconds() -> None:
    start = time.process_time()
    answer = CliRunner().invoke(app, ["lab", "hello"], catch_exceptions=False)
    assert time.process_time() - start < 5
    assert answer.exit_code == 0
    assert answer.stdout.rstrip().endswith("hello")
