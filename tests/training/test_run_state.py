"""The parts of every training loop."""

import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from training.run_state import (
    StateError,
    averaged,
    interruptible,
    learning_rate,
    load_optimizer_tensors,
    load_state,
    optimizer_tensors,
    save_state,
    seed_step,
)


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(step, peak=2.0, warmup=10, total=100) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[10] == rates[9] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_run_of_few_steps_reaches_its_learning_rate_all_the_same() -> None:
    rates = [learning_rate(step, peak=2.0, warmup=200, total=40) for step in range(40)]
    assert rates[3] == rates[4] == 2.0
    assert learning_rate(0, peak=2.0, warmup=200, total=3) == 2.0


def test_a_steps_randomness_is_its_own() -> None:
    def draw(seed: int, step: int, process: int) -> list[float]:
        seed_step(seed, step, process)
        return torch.rand(3).tolist()

    assert draw(1, 2, 0) == draw(1, 2, 0)
    assert len({tuple(draw(*key)) for key in [(1, 2, 0), (2, 2, 0), (1, 3, 0), (1, 2, 1)]}) == 4


def test_the_average_is_exponential() -> None:
    layer = nn.Linear(1, 1, bias=False)
    average = averaged(layer, 0.5)

    def value() -> float:
        return float(average.module.state_dict()["weight"])

    for weight in (1.0, 2.0, 5.0, 7.0):
        nn.init.constant_(layer.weight, weight)
        average.update_parameters(layer)
    # Decays of 2/11, 3/12 and 4/13 while it is young: they rise to their limit of 1/2 later.
    expected = 1 * (2 / 11) + 2 * (9 / 11)
    expected = expected * (3 / 12) + 5 * (9 / 12)
    expected = expected * (4 / 13) + 7 * (9 / 13)
    assert value() == pytest.approx(expected)
    for _ in range(20):
        average.update_parameters(layer)
    before = value()
    nn.init.constant_(layer.weight, before + 2)
    average.update_parameters(layer)
    assert value() == pytest.approx(before + 1)


def test_state_round_trip_with_an_optimizer(tmp_path: Path) -> None:
    def make() -> tuple[nn.Linear, torch.optim.AdamW]:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)

    def train(layer: nn.Linear, optimizer: torch.optim.AdamW, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            layer(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    whole, optimizer = make()
    train(whole, optimizer, 6)
    first, optimizer = make()
    train(first, optimizer, 3)
    tensors = {f"layer.{name}": value for name, value in first.state_dict().items()}
    save_state(tmp_path / "state.safetensors", tensors | optimizer_tensors(optimizer), {"step": 3})

    second, optimizer = make()
    loaded, progress = load_state(tmp_path / "state.safetensors")
    assert progress == {"step": 3}
    second.load_state_dict({name: loaded.pop(f"layer.{name}") for name in second.state_dict()})
    load_optimizer_tensors(optimizer, loaded)
    train(second, optimizer, 3)
    assert torch.equal(second.weight, whole.weight)
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_broken_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"half")
    with pytest.raises(StateError, match=r"state\.safetensors"):
        load_state(tmp_path / "state.safetensors")


def test_signals_become_requests_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested
    assert signal.getsignal(signal.SIGTERM) == before
