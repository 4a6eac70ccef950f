"""Recipes of forecasters."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model.config import Config
from model.tasks.forecasting.config import ForecastConfig
from training.recipe import Optimisation, Recipe


class PriceDataRecipe(Config):
    """Tables of daily prices, cut by date: nothing is fitted to days from `dev_from` on, nor chosen by days from
    `test_from` on.
    """

    path: Path
    """A folder of CSV files."""
    series: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of its files, without `.csv`."""
    dev_from: date
    test_from: date
    description: str = ""
    """For the model card: what the data are, where they come from and under which licence."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.dev_from >= self.test_from:
            raise ValueError(f"dev_from={self.dev_from} must be before test_from={self.test_from}")
        return self


class LikelihoodTraining(Optimisation):
    """`[training]` of a forecaster."""

    updates: Annotated[int, Field(ge=1)] = 20
    """Updates in an epoch."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Windows of an update, over all processes; half of them of closes alone."""
    burn_in: Annotated[int, Field(ge=0, le=200)] = 60
    """Days at the beginning of a window whose forecasts are not learnt from."""
    return_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the returns' likelihood beside the errors of variance."""


class LikelihoodRecipe(Recipe):
    """The recipe of `training.tasks.forecasting.likelihood`."""

    task: Literal["forecasting"] = "forecasting"
    objective: Literal["likelihood"] = "likelihood"
    data: PriceDataRecipe
    model: ForecastConfig = ForecastConfig()
    training: LikelihoodTraining = LikelihoodTraining()

    @model_validator(mode="after")
    def _burn_in_within_the_context(self) -> Self:
        if self.training.burn_in >= self.model.context:
            raise ValueError(
                f"training.burn_in={self.training.burn_in} must be less than model.context={self.model.context}"
            )
        return self
