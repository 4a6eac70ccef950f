"""Text: a language model's objective and score."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.tasks.text import TEXT as TASK
from training.task import Evaluation, Kind, Report, TaskTraining
from training.tasks.text.recipe import RunningTextRecipe

if TYPE_CHECKING:
    from accelerate import Accelerator

    from model.tasks.text.language import LanguageModel
    from training.trainer import Objective


def _running_text(recipe: RunningTextRecipe, accelerator: "Accelerator") -> "Objective[LanguageModel]":
    from training.tasks.text.running_text import RunningText

    return RunningText(recipe, accelerator)


def _evaluate(checkpoints: Sequence[Path], data: Path, split: str, **options: Any) -> Evaluation:
    from training.tasks.text.score import evaluate

    return evaluate(checkpoints, data, split, **options)


def _report(checkpoint: Path, recipe: RunningTextRecipe) -> Report:
    from training.tasks.text.score import report

    return report(checkpoint, recipe)


TEXT = TaskTraining(
    task=TASK,
    objectives={"running-text": Kind(RunningTextRecipe, _running_text)},
    evaluate=_evaluate,
    options={},
    report=_report,
    card=Path(__file__).with_name("card.md"),
)
