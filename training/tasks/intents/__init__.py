"""Intents: a classifier's objective and score."""

from pathlib import Path

from model.tasks.intents import INTENTS as TASK
from training.task import Kind, TaskTraining
from training.tasks.intents.recipe import ClassificationRecipe

INTENTS = TaskTraining(
    task=TASK,
    objectives={"classification": Kind(ClassificationRecipe, f"{__name__}.classification:Classification")},
    score=f"{__name__}.score",
    card=Path(__file__).with_name("card.md"),
)
