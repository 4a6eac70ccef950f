"""Trials trained side by side end as each would alone, and as torch's own optimizers would have them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.lab.odyssey.chorales import Chorales
from training.lab.odyssey.fit import ADAM, LARGEST_GRADIENT, NESTEROV, NESTEROV_RATE, Optimizer, Outcome, Trial, fit
from training.lab.odyssey.fleet import Fleet
from training.lab.odyssey.search import PROBLEMS, open_problem

TRIALS = [
    Trial(0, 6, 0.02, 0.9, 0.1, ADAM, 11),
    Trial(1, 3, 0.01, 0.0, 0.0, NESTEROV, 12),
    Trial(2, 9, 0.05, 0.5, 0.3, ADAM, 13),
]


@pytest.mark.parametrize("cell", ["lstm-peephole", "lstm-fgr", "gru"])
@pytest.mark.parametrize("task", PROBLEMS)
def test_a_trial_in_a_fleet_is_the_trial_alone(task: str, cell: str, data: Path) -> None:
    problem = open_problem(task, data)
    together = fit(cell, problem, TRIALS, seed=1, epochs=3)
    for trial, found in zip(TRIALS, together, strict=True):
        (alone,) = fit(cell, problem, [trial], seed=1, epochs=3)
        assert found.dev == pytest.approx(alone.dev, rel=1e-4)
        assert found.held == pytest.approx(alone.held, rel=1e-4)
        assert found[2:5] == alone[2:5]


@pytest.mark.parametrize("task", PROBLEMS)
def test_trials_learn(task: str, data: Path) -> None:
    problem = open_problem(task, data)
    (untrained,) = fit("lstm-peephole", problem, [TRIALS[2]._replace(rate=0.0)], seed=1, epochs=2)
    (found,) = fit("lstm-peephole", problem, [TRIALS[0]._replace(size=20, noise=0.0)], seed=1, epochs=30)
    assert untrained.epoch == 0  # the same score again is no better one
    assert found.epoch > 0
    assert found.dev < 0.7 * untrained.dev
    assert found.held < 0.7 * untrained.held


def test_same_seed_same_outcome(data: Path) -> None:
    problem = open_problem("chorales", data)
    runs = [fit("gru", problem, TRIALS[:1], seed=seed, epochs=3)[0]._replace(seconds=0) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


class Impatient(Chorales):
    """The chorales for those who wait two epochs at most."""

    patience = 2


def test_who_does_not_improve_leaves_and_the_others_go_on(data: Path) -> None:
    problem = Impatient(data)
    idle = TRIALS[1]._replace(rate=0.0)
    found, still = fit("lstm-np", problem, [TRIALS[0], idle], seed=1, epochs=8)
    assert (still.epoch, still.epochs) == (0, 2)
    assert found.epochs == 8
    (alone,) = fit("lstm-np", problem, [TRIALS[0]], seed=1, epochs=8)
    assert found.dev == pytest.approx(alone.dev, rel=1e-4)


def test_what_diverges_leaves_and_harms_nobody(data: Path) -> None:
    problem = open_problem("chorales", data)
    wild = TRIALS[0]._replace(rate=1e38, optimizer=NESTEROV)
    lost, found = fit("lstm-niaf", problem, [wild, TRIALS[0]], seed=1, epochs=3)
    assert lost.epochs < 3
    assert torch.tensor([lost.dev, lost.held]).isfinite().all()
    (alone,) = fit("lstm-niaf", problem, [TRIALS[0]], seed=1, epochs=3)
    assert found.dev == pytest.approx(alone.dev, rel=1e-4)


def torch_s(trial: Trial, parameters: list[Tensor]) -> torch.optim.Optimizer:
    if trial.optimizer == ADAM:
        return torch.optim.Adam(parameters, lr=trial.rate, betas=(trial.momentum, 0.999))
    rate = trial.rate * NESTEROV_RATE * (1 - trial.momentum)
    return torch.optim.SGD(parameters, lr=rate, momentum=trial.momentum, nesterov=trial.momentum > 0)


@pytest.mark.parametrize("largest", [0.1, 30.0])
def test_steps_are_torch_s(largest: float) -> None:
    fleet = Fleet("lstm-peephole", 4, 3, [trial.size for trial in TRIALS], [trial.seed for trial in TRIALS])
    optimizer = Optimizer(fleet, TRIALS)
    copies = [[each[k].detach().clone().requires_grad_() for each in fleet.parameters()] for k in range(3)]
    theirs = [torch_s(trial, copy) for trial, copy in zip(TRIALS, copies, strict=True)]
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        gradients = [largest * torch.randn(each.shape, generator=generator) for each in fleet.parameters()]
        assert optimizer.step(gradients).all()
        for network, (copy, reference) in enumerate(zip(copies, theirs, strict=True)):
            for parameter, mask, gradient in zip(copy, fleet.masks, gradients, strict=True):
                parameter.grad = gradient[network] * mask[network]
            torch.nn.utils.clip_grad_norm_(copy, LARGEST_GRADIENT)
            reference.step()
            for parameter, found, mask in zip(copy, fleet.parameters(), fleet.masks, strict=True):
                torch.testing.assert_close(found[network], parameter, rtol=1e-4, atol=1e-6)
                assert not found[network][~mask[network]].any()


def test_outcomes_count_parameters(data: Path) -> None:
    found: Outcome = fit("gru", open_problem("strokes", data), [TRIALS[1]], seed=1, epochs=1)[0]
    assert found.parameters == 9 * (3 + 3) + 2 * 9 + 3 * (3 + 1)
