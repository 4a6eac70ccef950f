"""The forecaster that comes with Recap: how good it is, how large, and where it comes from."""

import pytest

from model.checkpoint import Checkpoint
from model.figures import figures_of
from model.tasks.forecasting import FORECASTING
from tests.conftest import ROOT
from tests.price_series import made_up
from training.tasks import read_recipe
from training.tasks.forecasting.recipe import LikelihoodRecipe

PATH = ROOT / "checkpoints" / "indices"


def test_a_forecast_is_plausible() -> None:
    steps = Checkpoint.open(PATH).expect(FORECASTING).load().forecast(made_up(1500), 20, (80.0, 95.0))
    close = made_up(1500).close[-1]
    for step in steps:
        assert step.close == pytest.approx(close, rel=0.03)
        assert step.volatility == pytest.approx(step.linear_volatility, rel=0.5)
        least, greatest = step.intervals[95.0]
        assert least < close < greatest


def test_checkpoint_is_small_and_keeps_its_bars() -> None:
    """The bars are the linear model HAR's and GARCH's, fitted to the same days, by this project's own measurement."""
    assert sum(file.stat().st_size for file in PATH.iterdir()) < 500_000
    checkpoint = Checkpoint.open(PATH)
    assert figures_of(checkpoint.metrics)[0].name == "log_variance_rmse"
    test = checkpoint.metrics["test"]
    for series in ("sp500", "nasdaq"):
        assert test[f"{series} log_variance_rmse Recap"] <= test[f"{series} log_variance_rmse HAR"]
        assert test[f"{series} qlike Recap"] <= test[f"{series} qlike HAR"]
        assert test[f"{series} log_likelihood Recap"] >= test[f"{series} log_likelihood GJR-t"]
        assert test[f"{series} price_mae_ratio"] <= 1.003
        for level in (80, 95):
            assert test[f"{series} coverage_{level}_1"] == pytest.approx(level / 100, abs=0.03)


def test_checkpoint_was_trained_with_the_published_recipe() -> None:
    recipe = read_recipe(ROOT / "configs" / "forecasting" / "indices.toml")
    assert LikelihoodRecipe.model_validate(Checkpoint.open(PATH).metrics["recipe"]) == recipe
