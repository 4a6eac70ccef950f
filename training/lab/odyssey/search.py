"""The random search: which trials there are, and which of them are trained side by side."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field, field_validator

from model.cells import CELLS
from model.config import Config
from training.lab.odyssey.chorales import Chorales
from training.lab.odyssey.fit import OPTIMIZERS, Trial
from training.lab.odyssey.phones import Phones
from training.lab.odyssey.problem import Problem
from training.lab.odyssey.strokes import Strokes

VANILLA = "lstm-peephole"
VARIANTS = tuple(f"lstm-{name}" for name in ("nig", "nfg", "nog", "niaf", "noaf", "np", "cifg", "fgr"))
"""The paper's eight."""

PROBLEMS: dict[str, type[Problem]] = {problem.name: problem for problem in (Phones, Strokes, Chorales)}
"""The dearest first, so that what is left at the end is cheap."""

SPACE: dict[str, BaseDistribution] = {
    "size": IntDistribution(20, 200, log=True),
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "one_minus_momentum": FloatDistribution(0.01, 1.0, log=True),
    "noise": FloatDistribution(0.0, 1.0),
    "optimizer": CategoricalDistribution(OPTIMIZERS),
}
"""Ranges of all that is drawn: size, momentum and noise as in the paper."""


class Drawn(Protocol):
    """A trial, or a row of the table of finished trials."""

    @property
    def momentum(self) -> float:
        """The share of the average of gradients that stays at each step."""


FLEET, UNITS = 8, 800
"""Most networks side by side, and most hidden units of them together: more gain nothing."""


def drawn(trial: Drawn) -> dict[str, Any]:
    """The parameters of a trial by their names in `SPACE`."""
    ends = SPACE["one_minus_momentum"]
    assert isinstance(ends, FloatDistribution)
    found = {name: getattr(trial, name) for name in SPACE if name != "one_minus_momentum"}
    return {**found, "one_minus_momentum": min(max(1 - trial.momentum, ends.low), ends.high)}  # rounding may leave it


class Study(Config):
    """Cells, tasks and trials of a study. More trials can be added later; they leave those before as they are."""

    cells: Annotated[tuple[str, ...], Field(min_length=1)] = (VANILLA, *VARIANTS, "gru", "rnn")
    """Names in `model.cells.CELLS`."""
    tasks: Annotated[tuple[str, ...], Field(min_length=1)] = tuple(PROBLEMS)
    trials: Annotated[int, Field(ge=2, le=1000)] = 40
    """Trials of each cell on each task."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Most epochs of a trial; by default the task's own number."""
    seed: Annotated[int, Field(ge=0)] = 1

    @field_validator("cells")
    @classmethod
    def _known_cells(cls, cells: tuple[str, ...]) -> tuple[str, ...]:
        for cell in cells:
            if cell not in CELLS:
                raise ValueError(f"no cell {cell!r}; there are {', '.join(CELLS)}")
        return cells

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        for task in tasks:
            if task not in PROBLEMS:
                raise ValueError(f"no task {task!r}; there are {', '.join(PROBLEMS)}")
        return tasks


class Unit(NamedTuple):
    """Trials of like size of one cell on one task."""

    task: str
    cell: str
    trials: list[Trial]


def plan(study: Study, task: str, cell: str) -> list[Trial]:
    """All trials of a cell on a task, by optuna's random sampler; they follow from the seed and their numbers."""
    digest = hashlib.sha256(f"{study.seed} {task} {cell}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big")
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trials = []
    for number in range(study.trials):
        found = drawn.ask(SPACE).params
        momentum = 1 - found.pop("one_minus_momentum")
        trials.append(Trial(number=number, momentum=momentum, seed=(seed + number) % 2**32, **found))
    return trials


def units(study: Study) -> Iterator[Unit]:
    """The whole study, a task after the other, and in each the largest networks first."""
    for task in study.tasks:
        pending = []
        for cell in study.cells:
            fleet: list[Trial] = []
            for trial in sorted(plan(study, task, cell), key=lambda trial: (-trial.size, trial.number)):
                if len(fleet) == FLEET or (len(fleet) + 1) * max(each.size for each in (*fleet, trial)) > UNITS:
                    pending.append(Unit(task, cell, fleet))
                    fleet = []
                fleet.append(trial)
            pending.append(Unit(task, cell, fleet))
        yield from sorted(pending, key=lambda unit: -unit.trials[0].size)


def open_problem(task: str, data: Path) -> Problem:
    """A task with its data, from the folder that holds all data sets.

    Raises:
        DataError: its files are missing or broken.
    """
    return PROBLEMS[task](data)  # type: ignore[arg-type, call-arg]
