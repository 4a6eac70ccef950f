"""What the gradient study measures, against hand-made chains of Jacobians, and what it writes."""

import csv
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from training.cli import app
from training.lab.gradients import LEARNT, VARIANCE, Adder, Study, adding_problem, examine, gradient_norms, reach


@settings(max_examples=30)
@given(length=st.integers(4, 60), seed=st.integers(0, 2**32))
def test_the_adding_problem(length: int, seed: int) -> None:
    inputs, targets = adding_problem(16, length, torch.Generator().manual_seed(seed))
    assert inputs.shape == (16, length, 2)
    for (numbers, marks), target in zip(inputs.transpose(1, 2), targets, strict=True):
        first, second = marks.nonzero()[:, 0].tolist()
        assert first < max(1, length // 10) <= second < length // 2
        torch.testing.assert_close(target[0], numbers[first] + numbers[second])


def test_a_constant_answer_has_the_variance_as_error() -> None:
    _, targets = adding_problem(100_000, 20, torch.Generator().manual_seed(0))
    assert (targets - 1).square().mean().item() == pytest.approx(VARIANCE, rel=0.02)


def test_an_elman_network_s_gradient_is_a_product_of_jacobians() -> None:
    torch.manual_seed(0)
    network = Adder("rnn", 5)
    inputs, targets = adding_problem(7, 9, torch.Generator().manual_seed(0))
    curves = gradient_norms(network, inputs, targets)
    assert set(curves) == {"h"}
    with torch.no_grad():
        hidden, _ = network.recurrent(inputs)  # (N, T, H)
        (cell,) = network.recurrent.cells()
        gradient = 2 * (network(inputs) - targets) * network.output.weight  # (N, H), dL_T/dh_T
        for distance, norm in enumerate(curves["h"]):
            assert norm == pytest.approx(gradient.norm(dim=1).mean().item(), rel=1e-4)
            gradient = (gradient * (1 - hidden[:, 8 - distance].square())) @ cell.weight_hh


def test_an_lstm_s_cell_state_carries_more_than_its_gates() -> None:
    torch.manual_seed(0)
    network = Adder("lstm", 6)
    inputs, targets = adding_problem(5, 30, torch.Generator().manual_seed(0))
    curves = gradient_norms(network, inputs, targets)
    assert {name: len(curve) for name, curve in curves.items()} == {"h": 30, "c": 30}
    with torch.no_grad():
        (cell,) = network.recurrent.cells()
        assert cell.num_states == 2
        state = None
        for x in inputs.unbind(1):
            from_state = cell.recurrent_input(state or cell.zero_state(x)) @ cell.weight_hh.T + cell.bias_hh
            o = (cell.project(x) + from_state)[:, -6:].sigmoid()
            state = cell(x, state)
        assert state is not None
        through_h = 2 * (network(inputs) - targets) * network.output.weight  # (N, H)
        through_c = through_h * o * (1 - state[1].tanh().square())
    assert curves["h"][0] == pytest.approx(through_h.norm(dim=1).mean().item(), rel=1e-4)
    assert curves["c"][0] == pytest.approx(through_c.norm(dim=1).mean().item(), rel=1e-4)
    assert reach(curves["c"]) > reach(curves["h"])


def test_measuring_changes_nothing() -> None:
    network = Adder("gru", 4)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    gradient_norms(network, *adding_problem(3, 8, torch.Generator()))
    for name, weight in network.named_parameters():
        assert torch.equal(weight, before[name])
        assert weight.requires_grad
        assert weight.grad is None


@pytest.mark.parametrize(
    ("curve", "distance"),
    [([1, 0.5, 0.011, 0.009, 1], 2), ([1, 1, 1], 2), ([2, 0.01], 0), ([1e-9, 5e-10], 1), ([0, 0], 1)],
)
def test_reach_is_the_last_distance_before_a_hundredth(curve: list[float], distance: int) -> None:
    assert reach(curve) == distance


def test_learns_a_short_length_and_goes_on_to_the_next() -> None:
    outcome = examine("gru", Study(lengths=(6, 4), hidden_size=24, steps=150, batch_size=32, learning_rate=2e-2))
    assert list(outcome.errors) == [4, 6]
    assert outcome.learnt == 6


def test_same_study_same_numbers() -> None:
    study = Study(lengths=(4,), hidden_size=4, steps=3)
    assert examine("gru", study) == examine("gru", study)
    assert examine("gru", study) != examine("gru", study.model_copy(update={"seed": 2}))


def test_stops_at_the_first_length_that_is_not_learnt() -> None:
    outcome = examine("rnn", Study(lengths=(80, 20, 40), hidden_size=4, steps=2))
    assert list(outcome.errors) == [20]
    assert outcome.errors[20] >= LEARNT
    assert outcome.learnt == 0


def test_the_command_writes_a_table_and_a_picture(tmp_path: Path) -> None:
    command = ["lab", "gradients", "--out", str(tmp_path), "--cell", "rnn", "--cell", "lstm-cifg"]
    command += ["--length", "12", "--hidden-size", "8", "--steps", "2"]
    answer = CliRunner().invoke(app, command, catch_exceptions=False)
    assert answer.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"gradients.csv", "gradients.png", "summary.md"}
    assert (tmp_path / "summary.md").read_text() in answer.stdout
    assert "- `rnn` does not learn over 6 to 12 steps (T = 12)." in answer.stdout
    with (tmp_path / "gradients.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["T - t"]) for row in rows] == list(range(12))
    assert all(float(row[f"lstm-cifg {stage} c"]) > 0 for row in rows for stage in ("initial", "trained"))
    assert "rnn initial c" not in rows[0]
    with Image.open(tmp_path / "gradients.png") as picture:
        assert picture.width > 800
        assert len(set(picture.convert("RGB").resize((200, 80)).get_flattened_data())) > 20


@pytest.mark.parametrize(
    ("option", "message"), [(["--cell", "lstn"], "no cell 'lstn'; there are rnn"), (["--length", "3"], "lengths: ")]
)
def test_the_command_refuses_what_it_cannot_do(option: list[str], message: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["lab", "gradients", "--out", str(tmp_path / "out"), *option])
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()
