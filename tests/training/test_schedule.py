"""Learning rate, seeds and averaged weights: functions of the step."""

import pytest
import torch
from torch import nn

from training.schedule import averaged, learning_rate, seed_step


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(step, peak=2.0, warmup=10, total=100) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[10] == rates[9] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_run_of_few_steps_reaches_its_learning_rate_all_the_same() -> None:
    rates = [learning_rate(step, peak=2.0, warmup=200, total=40) for step in range(40)]
    assert rates[3] == rates[4] == 2.0
    assert learning_rate(0, peak=2.0, warmup=200, total=3) == 2.0


def test_random_numbers_of_a_step_are_its_own() -> None:
    def draw(seed: int, step: int, process: int) -> list[float]:
        seed_step(seed, step, process)
        return torch.rand(3).tolist()

    assert draw(1, 2, 0) == draw(1, 2, 0)
    assert len({tuple(draw(*key)) for key in [(1, 2, 0), (2, 2, 0), (1, 3, 0), (1, 2, 1)]}) == 4


def test_average_is_exponential() -> None:
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
