"""Yearly walk-forward: for each year a forecaster that has learnt from the years before it, beside baselines."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from training.data.base import DataError
from training.tasks.forecasting.baselines import baselines, missing
from training.tasks.forecasting.comparison import MODEL, joined
from training.tasks.forecasting.likelihood import Likelihood
from training.tasks.forecasting.losses import Forecasts, Losses
from training.tasks.forecasting.reader import History, read_histories
from training.tasks.forecasting.recipe import LikelihoodRecipe
from training.tasks.forecasting.score import Results, calibrated, flat
from training.trainer import Trainer

DEV_YEARS = 2
"""Years before a fold's own whose days choose the weights, and are not learnt from."""


def fold(recipe: LikelihoodRecipe, year: int) -> LikelihoodRecipe:
    """The recipe of a year: it learns from the days before, and its run lies below the recipe's."""
    cut = {"dev_from": date(year - DEV_YEARS, 1, 1), "test_from": date(year, 1, 1)}
    place = recipe.run / "backtest" / str(year)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=cut), "run": place})


def years(histories: Sequence[History], first: int) -> list[int]:
    """The years from the first one on that all series have days of.

    Raises:
        DataError: there are none.
    """
    last = min(int(str(history.days[-1])[:4]) for history in histories)
    if first > last:
        raise DataError(f"the series end in {last}, and the backtest begins in {first}; choose an earlier year")
    return list(range(first, last + 1))


def backtest(recipe: LikelihoodRecipe, first: int | None = None, *, resume: bool = False) -> Results | None:
    """Trains a forecaster for each year from the first on, by default the recipe's first of test, and scores it there.

    The baselines are fitted to all days before the year, those included that only choose the forecaster's weights.

    Returns:
        The results of all years together; None if the run was interrupted, and can be resumed.

    Raises:
        TrainingError: what `Trainer` does.
    """
    histories = read_histories(recipe.data.path, recipe.data.series)
    losses: dict[str, dict[str, list[Losses]]] = {history.name: {} for history in histories}
    made: dict[str, list[Forecasts]] = {history.name: [] for history in histories}
    for year in years(histories, first or recipe.data.test_from.year):
        part = fold(recipe, year)
        trainer = Trainer(part, Likelihood, resume=resume)
        if not trainer.run():
            return None
        model = trainer.best()
        model.config = calibrated(model, histories, part.data)
        for history in histories:
            numbers = history.between(date(year, 1, 1), date(year + 1, 1, 1))
            found = Forecasts.of(model, history, numbers)
            made[history.name].append(found)
            beside = losses[history.name]
            beside.setdefault(MODEL, []).append(found.losses())
            for name, theirs in baselines(history, numbers, date(year, 1, 1)):
                beside.setdefault(name, []).append(theirs)
    return {
        name: (
            {method: joined(stretches) for method, stretches in parts.items()},
            Forecasts.joined(made[name]).coverage(),
        )
        for name, parts in losses.items()
    }


def report(recipe: LikelihoodRecipe, results: Results) -> dict[str, Any]:
    """All values as JSON, flat, with what was left out."""
    return {"name": recipe.name, "series": list(results), **flat(results), "notes": missing()}
