"""Forecasting: a forecaster's objective and score."""

from pathlib import Path

from model.tasks.forecasting import FORECASTING as TASK
from training.task import Kind, TaskTraining
from training.tasks.forecasting.recipe import LikelihoodRecipe

FORECASTING = TaskTraining(
    task=TASK,
    objectives={"likelihood": Kind(LikelihoodRecipe, f"{__name__}.likelihood:Likelihood")},
    score=f"{__name__}.score",
    card=Path(__file__).with_name("card.md"),
)
