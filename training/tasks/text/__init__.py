"""Text: a language model's objective and score."""

from pathlib import Path

from model.tasks.text import TEXT as TASK
from training.task import Kind, TaskTraining
from training.tasks.text.recipe import RunningTextRecipe

TEXT = TaskTraining(
    task=TASK,
    objectives={"running-text": Kind(RunningTextRecipe, f"{__name__}.running_text:RunningText")},
    score=f"{__name__}.score",
    card=Path(__file__).with_name("card.md"),
)
