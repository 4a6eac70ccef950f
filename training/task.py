"""A task as a value: the part of training and scoring that is particular to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from model.config import Config
from model.figures import Figure
from model.task import Task
from training.recipe import Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator

    from training.trainer import Objective


@dataclass(frozen=True)
class Kind:
    """One objective of a task."""

    recipe: type[Recipe]
    objective: str
    """`module:Class`. A name, since importing all objectives with their libraries would take seconds."""

    def build(self, recipe: Recipe, accelerator: "Accelerator") -> "Objective[Any]":
        """The objective of a recipe."""
        return resolve_name(self.objective)(recipe, accelerator)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Evaluation:
    """The quality of a checkpoint on a split."""

    figures: list[Figure]
    """Most important first."""
    report: dict[str, Any]
    """All scores and counts, flat, as `recap-train evaluate --json` writes them; `notes` says what was left out."""


@dataclass(frozen=True)
class Report:
    """The part of a new checkpoint's metrics.json, card and configuration that scoring it decides."""

    figures: list[Figure]
    """Most important first."""
    metrics: dict[str, Any]
    """The rest of metrics.json, but for the checkpoint's origin."""
    config: Config
    """The model's configuration."""
    card: dict[str, Any] = field(default_factory=dict)
    """Further variables of the card's template."""


@dataclass(frozen=True)
class TaskTraining:
    """The training side of a task; `training.tasks.TASKS` has all tasks."""

    task: Task[Any, Any]
    objectives: Mapping[str, Kind]
    """By the name that recipes have for it."""
    score: str
    """Name of the module that has the task's `evaluate` and `report`."""
    card: Path
    """Jinja2 template of the model card. Its variables: `recipe`, `config`, `metrics`, `figures` and `Report.card`."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Flag of the command line for each option of `evaluate`; `checkpoints`, if it takes several."""

    def evaluate(self, checkpoints: Sequence[Path], data: Path, split: str, **options: Any) -> Evaluation:
        """Scores a checkpoint, or several as one, on a split."""
        return import_module(self.score).evaluate(checkpoints, data, split, **options)  # type: ignore[no-any-return]

    def report(self, checkpoint: Path, recipe: Recipe) -> Report:
        """Scores the checkpoint that a recipe led to, to publish it."""
        return import_module(self.score).report(checkpoint, recipe)  # type: ignore[no-any-return]
