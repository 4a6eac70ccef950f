"""Captioning: a captioner's objectives, data sets and scores."""

from pathlib import Path

from model.tasks.captioning import CAPTIONING as TASK
from training.task import Kind, TaskTraining
from training.tasks.captioning.recipe import (
    CrossEntropyRecipe,
    MixtureRecipe,
    SelfCriticalRecipe,
    TaggingRecipe,
    TuningRecipe,
)

CAPTIONING = TaskTraining(
    task=TASK,
    objectives={
        "cross-entropy": Kind(CrossEntropyRecipe, f"{__name__}.cross_entropy:CrossEntropy"),
        "tuning": Kind(TuningRecipe, f"{__name__}.tuning:Tuning"),
        "self-critical": Kind(SelfCriticalRecipe, f"{__name__}.self_critical:SelfCritical"),
        "mixture": Kind(MixtureRecipe, f"{__name__}.mixture:Mixture"),
        "tagging": Kind(TaggingRecipe, f"{__name__}.tagging:Tagging"),
    },
    score=f"{__name__}.score",
    card=Path(__file__).with_name("card.md"),
    options={
        "checkpoints": "several --checkpoint",
        "beam_size": "--beam-size",
        "neutral": "--neutral",
        "captions_path": "--captions",
    },
)
