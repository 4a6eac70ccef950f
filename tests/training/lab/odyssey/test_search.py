"""Which trials a study has, and which of them are trained side by side."""

from collections import Counter

import pytest
from pydantic import ValidationError

from training.lab.odyssey.fit import OPTIMIZERS
from training.lab.odyssey.search import FLEET, PROBLEMS, UNITS, VANILLA, VARIANTS, Study, plan, units


def test_all_is_drawn_from_its_range() -> None:
    trials = plan(Study(trials=300), "phones", VANILLA)
    assert [trial.number for trial in trials] == list(range(300))
    for name, low, high in (("size", 20, 200), ("rate", 1e-4, 1e-1), ("momentum", 0.0, 0.99), ("noise", 0.0, 1.0)):
        values = [getattr(trial, name) for trial in trials]
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high + 1e-12
    assert {trial.optimizer for trial in trials} == set(OPTIMIZERS)
    assert 110 < sum(trial.rate < 1e-3 for trial in trials) + sum(trial.rate > 1e-2 for trial in trials) / 2 < 190
    assert len({trial.seed for trial in trials}) == 300


def test_more_trials_leave_those_before_as_they_are() -> None:
    few, many = (plan(Study(trials=trials), "strokes", "gru") for trials in (5, 9))
    assert many[:5] == few
    assert plan(Study(trials=5, seed=2), "strokes", "gru") != few
    assert plan(Study(trials=5), "strokes", "rnn")[0].rate != few[0].rate


def test_units_have_every_trial_once_with_others_of_like_size() -> None:
    study = Study()
    assert study.cells == (VANILLA, *VARIANTS, "gru", "rnn")
    found = list(units(study))
    seen = Counter((unit.task, unit.cell, trial.number) for unit in found for trial in unit.trials)
    assert len(seen) == len(PROBLEMS) * 11 * 40
    assert set(seen.values()) == {1}
    for unit in found:
        sizes = [trial.size for trial in unit.trials]
        assert 1 <= len(sizes) <= FLEET
        assert len(sizes) * max(sizes) <= UNITS
    tasks = [unit.task for unit in found]
    assert tasks == sorted(tasks, key=list(PROBLEMS).index)
    sizes = [unit.trials[0].size for unit in found if unit.task == "phones"]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"cells": ("lstn",)}, "no cell 'lstn'"), ({"tasks": ("timit",)}, "no task 'timit'; there are phones, strokes")],
)
def test_unknown_names_are_told(values: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Study.model_validate(values)
