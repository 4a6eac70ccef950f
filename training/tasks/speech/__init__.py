"""Speech: a synthesiser's objective and score."""

from pathlib import Path

from model.tasks.speech import SPEECH as TASK
from training.task import Kind, TaskTraining
from training.tasks.speech.recipe import SynthesiserRecipe

SPEECH = TaskTraining(
    task=TASK,
    objectives={"synthesis": Kind(SynthesiserRecipe, f"{__name__}.synthesis:Synthesis")},
    score=f"{__name__}.score",
    card=Path(__file__).with_name("card.md"),
    options={"listeners": "--listener"},
)
