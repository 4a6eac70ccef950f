"""Translation: an objective and a score."""

from pathlib import Path

from model.tasks.translation import TRANSLATION as TASK
from training.task import Kind, TaskTraining
from training.tasks.translation.recipe import ParallelTextRecipe

TRANSLATION = TaskTraining(
    task=TASK,
    objectives={"parallel-text": Kind(ParallelTextRecipe, f"{__name__}.parallel_text:ParallelText")},
    score=f"{__name__}.score",
    card=Path(__file__).with_name("card.md"),
)
