"""A task as a value: the part of training and scoring that is particular to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
    build: "Callable[[Any, Accelerator], Objective[Any]]"
    """Makes the objective of a recipe. Imports what it needs, so that a command starts fast."""


@dataclass(frozen=True)
class Evaluation:
    """The quality of a checkpoint on a split."""

    figures: list[Figure]
    """Most important first."""
    report: dict[str, Any]
    """All that was found, flat, as `recap-train evaluate --json` writes it; `notes` says what was left out."""


@dataclass(frozen=True)
class Report:
    """The part of a new checkpoint's metrics.json, card and configuration that scoring it decides."""

    figures: list[Figure]
    """Most important first."""
    metrics: dict[str, Any]
    """The rest of metrics.json, but for where the checkpoint comes from."""
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
    evaluate: Callable[..., Evaluation]
    """`evaluate(checkpoints, data, split, device=..., **options)`."""
    options: Mapping[str, str]
    """Flag of the command line for each option of `evaluate`; `checkpoints`, if it takes several."""
    report: Callable[[Path, Any], Report]
    """Scores a checkpoint that a recipe led to, to publish it."""
    card: Path
    """Jinja2 template of the model card. Its variables: `recipe`, `config`, `metrics`, `figures` and `Report.card`."""
