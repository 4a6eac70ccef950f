"""The backtest and the score: one command each, resumable, and the same figures again."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from model.tasks.forecasting.forecaster import Forecaster
from tests.training.conftest import Finished, kill_once, run_command
from training.tasks import read_recipe
from training.tasks.forecasting.backtest import fold, years
from training.tasks.forecasting.fitting import fit_base
from training.tasks.forecasting.reader import History, read_histories
from training.tasks.forecasting.recipe import LikelihoodRecipe
from training.tasks.forecasting.score import calibrated


def read(path: Path) -> LikelihoodRecipe:
    recipe = read_recipe(path)
    assert isinstance(recipe, LikelihoodRecipe)
    return recipe


def test_a_fold_learns_from_the_years_before(forecasting_recipe: Path) -> None:
    recipe = read(forecasting_recipe)
    made = fold(recipe, 2005)
    assert (str(made.data.dev_from), str(made.data.test_from)) == ("2003-01-01", "2005-01-01")
    assert made.run == recipe.run / "backtest" / "2005"
    histories = read_histories(recipe.data.path, recipe.data.series)
    assert years(histories, 2004) == [2004, 2005]


def test_a_backtest_that_is_killed_goes_on_to_the_same_figures(
    forecasting_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def options(name: str) -> list[str]:
        return ["--config", str(forecasting_recipe), "--from", "2005", "--set", f"run={tmp_path / name}"]

    assert run_command("backtest", *options("whole"), "--json", str(tmp_path / "whole.json")) == 0
    kill_once(tmp_path / "killed" / "backtest" / "2005" / "state.safetensors", "backtest", *options("killed"))
    assert run_command("backtest", *options("killed")) == 1
    assert "a run is there already; go on with --resume" in capsys.readouterr().err
    assert run_command("backtest", *options("killed"), "--resume", "--json", str(tmp_path / "killed.json")) == 0
    whole, killed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "killed"))
    assert whole == killed
    assert whole["one days"] > 200
    for measure in ("log_variance_rmse", "qlike", "log_likelihood"):
        assert math.isfinite(whole[f"one {measure} Recap"])
    assert 0 <= whole["two qlike HAR p"] <= 1
    assert whole["one price_mae_ratio"] == pytest.approx(1, abs=0.05)
    assert 0.6 < whole["one coverage_80_1"] < 0.95


def test_a_backtest_after_the_last_day_is_refused(forecasting_recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("backtest", "--config", str(forecasting_recipe), "--from", "2030") == 1
    assert "the series end in 2005, and the backtest begins in 2030" in capsys.readouterr().err


def test_a_checkpoint_is_scored_beside_baselines(
    forecasting_recipe: Path, finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = finished(forecasting_recipe)
    assert isinstance(recipe, LikelihoodRecipe)
    scored = ["evaluate", "--checkpoint", str(recipe.output), "--data", str(recipe.data.path), "--split", "test"]
    assert run_command(*scored, "--json", str(tmp_path / "test.json")) == 0
    found = json.loads((tmp_path / "test.json").read_text())
    metrics = json.loads((recipe.output / "metrics.json").read_text())
    assert found["one qlike HAR"] == pytest.approx(metrics["test"]["one qlike HAR"])
    assert found["qlike"] == pytest.approx(metrics["test"]["qlike"])
    other = recipe.data.path / "two.csv"
    assert run_command("evaluate", "--checkpoint", str(recipe.output), "--data", str(other), "--split", "dev") == 0
    assert "two qlike Recap" in capsys.readouterr().out
    assert run_command(*scored[:-1], "spring") == 1
    assert "split=spring: there are train, dev, test" in capsys.readouterr().err


def test_the_spread_is_the_likeliest_on_dev(forecasting_recipe: Path) -> None:
    """A model whose intervals are too narrow has them widened; test decides nothing."""
    recipe = read(forecasting_recipe)
    histories = read_histories(recipe.data.path, recipe.data.series)
    model = Forecaster(recipe.model, fit_base(histories, recipe.data.dev_from)).eval()
    right = calibrated(model, histories, recipe.data).spread
    with torch.no_grad():
        for member in model.members:
            member.output.bias[3] = -math.log(1.25)  # type: ignore[operator, union-attr]
    wider = calibrated(model, histories, recipe.data).spread
    assert wider == pytest.approx(1.25 * right, abs=0.02)
    days = histories[0].days
    cut = [History.of(one.name, one.series.until(int((days < np.datetime64("2005-03-01")).sum()))) for one in histories]
    assert calibrated(model, cut, recipe.data).spread == wider
