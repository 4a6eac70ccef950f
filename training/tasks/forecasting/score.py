"""The score of a forecaster: errors of variance, likelihood of returns, coverage of intervals, beside baselines."""

import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from model.checkpoint import METRICS, Checkpoint, CheckpointError
from model.figures import Figure
from model.tasks.forecasting import FORECASTING
from model.tasks.forecasting.base import HORIZONS
from model.tasks.forecasting.config import ForecastConfig
from model.tasks.forecasting.forecaster import Forecaster
from training.data.base import DataError
from training.device import available_device
from training.task import Evaluation, Report
from training.tasks.forecasting.baselines import baselines, missing
from training.tasks.forecasting.comparison import MODEL, Row, compare
from training.tasks.forecasting.losses import LEVELS, MEASURES, Forecasts, Losses
from training.tasks.forecasting.reader import History, digest, read_histories, span
from training.tasks.forecasting.recipe import LikelihoodRecipe, PriceDataRecipe

SPREADS = [round(0.7 + 0.01 * number, 2) for number in range(91)]
"""Factors that are tried, 0.7 to 1.6."""

Results = dict[str, tuple[dict[str, Losses], dict[str, float]]]
"""Name of a series -> losses by method, and the coverage of the forecaster's intervals."""


def figures(results: Results, split: str) -> list[Figure]:
    """Means over the series; the first is what weights are chosen by."""
    rows = {(row.series, row.measure): row for row in compared(results) if row.method == MODEL}
    values = {
        measure: sum(rows[name, measure].value for name in results) / len(results)
        for measure in MEASURES
        if measure != "price_mae"
    }
    found = [
        Figure(
            name=measure,
            label=MEASURES[measure],
            value=value,
            split=split,
            higher_is_better=measure == "log_likelihood",
        )
        for measure, value in values.items()
    ]
    for level in LEVELS:
        shares = [coverage[f"{level}_{HORIZONS[0]}"] for _, coverage in results.values()]
        found.append(
            Figure(
                name=f"coverage_error_{level}",
                label=f"error of the {level} % interval's coverage",
                value=sum(abs(share - level / 100) for share in shares) / len(shares),
                split=split,
                higher_is_better=False,
            )
        )
    return found


def compared(results: Results) -> list[Row]:
    """The comparison on each series, one after another."""
    return [row for name, (losses, _) in results.items() for row in compare(name, losses)]


def flat(results: Results) -> dict[str, Any]:
    """All values and p-values: `sp500 qlike HAR`, `sp500 qlike HAR p`."""
    report: dict[str, Any] = {}
    for row in compared(results):
        name = f"{row.series} {row.measure} {row.method}"
        report[name] = row.value
        if row.p is not None:
            report[f"{name} p"] = row.p
    for name, (losses, coverage) in results.items():
        if "persistence" in losses:
            ours, theirs = (losses[method]["price_mae"].mean() for method in (MODEL, "persistence"))
            report[f"{name} price_mae_ratio"] = float(ours / theirs)
        report |= {f"{name} coverage_{interval}": share for interval, share in coverage.items()}
        report[f"{name} days"] = len(losses[MODEL]["qlike"])
    return report


def scored(model: Forecaster, histories: Sequence[History], split: str, data: PriceDataRecipe) -> Results:
    """A forecaster alone on a split."""
    return {history.name: _scored(model, history, split, data) for history in histories}


def _scored(
    model: Forecaster, history: History, split: str, data: PriceDataRecipe
) -> tuple[dict[str, Losses], dict[str, float]]:
    found = Forecasts.of(model, history, days_of(history, split, data))
    return {MODEL: found.losses()}, found.coverage()


def days_of(history: History, split: str, data: PriceDataRecipe) -> list[int]:
    """Numbers of the days whose forecasts are for a split; raises a DataError if there are none."""
    numbers = history.between(*span(data, split))
    if not numbers:
        raise DataError(
            f"split={split}: {history.name} has no such days: they are {history.days[0]} to {history.days[-1]}"
        )
    return numbers


def beside_baselines(results: Results, histories: Sequence[History], split: str, data: PriceDataRecipe) -> Results:
    """The results, with those of the baselines, which are fitted to the days that the forecaster is fitted to."""
    first, _ = span(data, split)
    before: date = min(first, data.dev_from) if first else data.dev_from
    return {
        history.name: (losses | dict(baselines(history, days_of(history, split, data), before)), coverage)
        for history, (losses, coverage) in zip(histories, results.values(), strict=True)
    }


def evaluate(checkpoints: Sequence[Path], data: Path, split: str, *, device: torch.device | str = "cpu") -> Evaluation:
    """Scores a forecaster beside baselines on a split of its tables, or of another.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, no forecaster, or does not say how its data were cut.
        DataError: the data can't be read, or have no days of the split.
    """
    (path,) = checkpoints
    checkpoint = Checkpoint.open(path).expect(FORECASTING)
    try:
        cut = PriceDataRecipe.model_validate(checkpoint.metrics["recipe"]["data"])
    except (KeyError, TypeError, ValidationError) as error:
        raise CheckpointError(f"{path / METRICS}: recipe.data does not say how the data were cut") from error
    return _evaluation(checkpoint.load(device), read_histories(data, cut.series), split, cut)


def calibrated(model: Forecaster, histories: Sequence[History], data: PriceDataRecipe) -> ForecastConfig:
    """The configuration of a model, with the spread that makes the next day's returns likeliest on dev.

    It holds for all horizons: of 20 days ahead, two years have 25 outcomes that are independent, which tell nothing.
    """
    model.config = model.config.model_copy(update={"spread": 1.0})
    found = [Forecasts.of(model, history, days_of(history, "dev", data)) for history in histories]
    nats = [float(torch.cat([one.nats(0, spread) for one in found]).mean()) for spread in SPREADS]
    return model.config.model_copy(update={"spread": SPREADS[nats.index(min(nats))]})


def report(checkpoint: Path, recipe: LikelihoodRecipe) -> Report:
    """Scores a trained forecaster on dev, and on test if there are days of it."""
    histories = read_histories(recipe.data.path, recipe.data.series)
    model = Checkpoint.open(checkpoint).expect(FORECASTING).load(available_device())
    model.config = calibrated(model, histories, recipe.data)
    splits = [
        split for split in ("dev", "test") if all(history.between(*span(recipe.data, split)) for history in histories)
    ]
    found = {split: _evaluation(model, histories, split, recipe.data) for split in splits}
    return Report(
        figures=[figure for evaluation in found.values() for figure in evaluation.figures],
        metrics={
            **{split: evaluation.report for split, evaluation in found.items()},
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "data_sha256": digest(histories),
        },
        config=model.config,
    )


def _evaluation(model: Forecaster, histories: Sequence[History], split: str, data: PriceDataRecipe) -> Evaluation:
    began = time.perf_counter()
    results = beside_baselines(scored(model, histories, split, data), histories, split, data)
    found = figures(results, split)
    seconds = round(time.perf_counter() - began, 1)
    notes = {"notes": missing()} if missing() else {}
    means = {figure.name: figure.value for figure in found}
    return Evaluation(found, {"split": split, **means, **flat(results), "seconds": seconds, **notes})
