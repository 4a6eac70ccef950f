"""Captioning: a captioner's objectives, data sets and scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.tasks.captioning import CAPTIONING as TASK
from training.task import Evaluation, Kind, Report, TaskTraining
from training.tasks.captioning.recipe import CaptioningRecipe, CrossEntropyRecipe, SelfCriticalRecipe, TuningRecipe

if TYPE_CHECKING:
    from accelerate import Accelerator

    from model.tasks.captioning.captioner import Captioner
    from training.trainer import Objective


def _cross_entropy(recipe: CrossEntropyRecipe, accelerator: "Accelerator") -> "Objective[Captioner]":
    from training.tasks.captioning.cross_entropy import CrossEntropy

    return CrossEntropy(recipe, accelerator)


def _tuning(recipe: TuningRecipe, accelerator: "Accelerator") -> "Objective[Captioner]":
    from training.tasks.captioning.tuning import Tuning

    return Tuning(recipe, accelerator)


def _self_critical(recipe: SelfCriticalRecipe, accelerator: "Accelerator") -> "Objective[Captioner]":
    from training.tasks.captioning.self_critical import SelfCritical

    return SelfCritical(recipe, accelerator)


def _evaluate(checkpoints: Sequence[Path], data: Path, split: str, **options: Any) -> Evaluation:
    from training.tasks.captioning.score import evaluate

    return evaluate(checkpoints, data, split, **options)


def _report(checkpoint: Path, recipe: CaptioningRecipe) -> Report:
    from training.tasks.captioning.score import report

    return report(checkpoint, recipe)


CAPTIONING = TaskTraining(
    task=TASK,
    objectives={
        "cross-entropy": Kind(CrossEntropyRecipe, _cross_entropy),
        "tuning": Kind(TuningRecipe, _tuning),
        "self-critical": Kind(SelfCriticalRecipe, _self_critical),
    },
    evaluate=_evaluate,
    options={
        "checkpoints": "several --checkpoint",
        "beam_size": "--beam-size",
        "neutral": "--neutral",
        "captions_path": "--captions",
    },
    report=_report,
    card=Path(__file__).with_name("card.md"),
)
