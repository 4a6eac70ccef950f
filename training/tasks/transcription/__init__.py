"""Transcription: a recogniser's objective and score."""

from pathlib import Path

from model.tasks.transcription import TRANSCRIPTION as TASK
from training.task import Kind, TaskTraining
from training.tasks.transcription.recipe import RecogniserRecipe

TRANSCRIPTION = TaskTraining(
    task=TASK,
    objectives={"ctc": Kind(RecogniserRecipe, f"{__name__}.ctc:TemporalClassification")},
    score=f"{__name__}.score",
    card=Path(__file__).with_name("card.md"),
)
