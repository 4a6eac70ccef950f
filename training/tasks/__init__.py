"""The tasks that Recap trains, by the names that they have everywhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from training.recipe import Recipe, RecipeError, read_values
from training.task import TaskTraining
from training.tasks.captioning import CAPTIONING
from training.tasks.forecasting import FORECASTING
from training.tasks.intents import INTENTS
from training.tasks.speech import SPEECH
from training.tasks.text import TEXT
from training.tasks.transcription import TRANSCRIPTION
from training.tasks.translation import TRANSLATION

TASKS: dict[str, TaskTraining] = {
    training.task.name: training
    for training in (CAPTIONING, TEXT, INTENTS, TRANSLATION, TRANSCRIPTION, SPEECH, FORECASTING)
}
"""By name."""


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe of any task and objective; the arguments are those of `training.recipe.read_values`.

    Raises:
        RecipeError: what `Recipe.read` says, or the recipe names no task or objective.
    """
    values = read_values(path, overrides)
    task = TASKS[_chosen(path, values, "task", TASKS)]
    return task.objectives[_chosen(path, values, "objective", task.objectives)].recipe.parse(values, path)


def _chosen(path: Path, values: dict[str, object], key: str, known: Mapping[str, object]) -> str:
    name = values.get(key)
    if isinstance(name, str) and name in known:
        return name
    found = f"{name!r} is none of" if key in values else "is missing; choose one of"
    raise RecipeError(f"{path}: {key}: {found} {', '.join(map(repr, known))}")
