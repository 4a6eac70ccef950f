"""Baselines by their definitions, and the test of a difference."""

import math
from datetime import date

import numpy as np
import pytest

from tests.price_series import made_up
from training.tasks.forecasting.baselines import baselines, missing
from training.tasks.forecasting.comparison import MODEL, compare, diebold_mariano, joined, table
from training.tasks.forecasting.losses import price_losses, value, variance_losses
from training.tasks.forecasting.reader import History

HISTORY = History.of("made up", made_up(1300))
BEFORE = date(2005, 1, 3)
DAYS = HISTORY.between(BEFORE, None)


def test_losses_are_those_of_their_definitions() -> None:
    truth = HISTORY.variance[DAYS, 0]
    exact = variance_losses(HISTORY, DAYS, np.log(truth), np.log(truth))
    assert exact["qlike"] == pytest.approx(0, abs=1e-12)
    doubled = variance_losses(HISTORY, DAYS, np.log(2 * truth), np.log(2 * truth))
    assert value("qlike", doubled["qlike"]) == pytest.approx(0.5 - math.log(0.5) - 1)
    assert value("log_variance_rmse", doubled["log_variance_rmse"]) == pytest.approx(math.log(2))
    still = price_losses(HISTORY, DAYS, np.zeros(len(DAYS)))
    assert still[0] == pytest.approx(abs(HISTORY.series.close[DAYS[0] + 1] - HISTORY.series.close[DAYS[0]]))
    assert value("log_likelihood", np.array([1.0, 2.0])) == -1.5


def test_baselines_do_what_their_names_say() -> None:
    found = dict(baselines(HISTORY, DAYS, BEFORE))
    assert list(found)[:6] == ["persistence", "drift", "AR(1)", "RiskMetrics", "HAR", "HAR with leverage"]
    returns = HISTORY.returns[DAYS, 0]
    known = HISTORY.returns[HISTORY.between(None, BEFORE), 0]
    gaussian = 0.5 * np.log(2 * np.pi * known.var()) + (returns - known.mean()) ** 2 / known.var() / 2
    assert found["drift"]["log_likelihood"] == pytest.approx(gaussian)
    rmse = {
        name: value("log_variance_rmse", losses["log_variance_rmse"])
        for name, losses in found.items()
        if "qlike" in losses
    }
    assert rmse["HAR"] < rmse["RiskMetrics"] < rmse["persistence"]


def test_baselines_know_no_later_day() -> None:
    """A day that is changed after those that are forecast changes no loss of theirs."""
    shorter = History.of("made up", made_up(1300).until(1250))
    some = [day for day in DAYS if day < 1240]
    for (name, one), (_, other) in zip(baselines(HISTORY, some, BEFORE), baselines(shorter, some, BEFORE), strict=True):
        for measure, losses in one.items():
            np.testing.assert_allclose(losses, other[measure], rtol=1e-9, err_msg=f"{name} {measure}")


def test_garch_is_better_than_a_constant() -> None:
    pytest.importorskip("arch")
    assert missing() == []
    found = dict(baselines(HISTORY, DAYS, BEFORE))
    nats = {name: found[name]["log_likelihood"].mean() for name in ("GARCH-t", "GJR-t", "drift")}
    assert nats["GJR-t"] < nats["drift"]
    assert nats["GARCH-t"] < nats["drift"]


def test_diebold_and_mariano() -> None:
    drawn = np.random.default_rng(0)
    noise = drawn.standard_normal(1000)
    statistic, p = diebold_mariano(noise, noise + 0.2 + drawn.standard_normal(1000))
    assert statistic > 4
    assert p < 1e-4
    same = diebold_mariano(noise, noise)
    assert same == (0.0, 1.0)
    one, other = (diebold_mariano(noise, drawn.standard_normal(1000)) for _ in range(2))
    assert 0 <= one[1] <= 1
    assert one != other
    back, _ = diebold_mariano(noise + 0.2, noise + 0.0)
    assert back < 0


def test_under_equal_forecasts_one_in_twenty_is_significant() -> None:
    drawn = np.random.default_rng(1)
    ps = [diebold_mariano(*drawn.standard_normal((2, 500)))[1] for _ in range(1000)]
    assert 0.03 < np.mean(np.array(ps) < 0.05) < 0.09


def test_a_comparison_has_each_method_that_has_the_measure() -> None:
    found = dict(baselines(HISTORY, DAYS, BEFORE))
    rows = compare("made up", {MODEL: {**found["HAR with leverage"], **found["drift"]}, **found})
    assert {row.method for row in rows if row.measure == "price_mae"} == {MODEL, "persistence", "drift", "AR(1)"}
    assert all((row.p is None) == (row.method == MODEL) for row in rows)
    assert len(table(rows).splitlines()) == len(rows)
    twice = joined([found["HAR"], found["HAR"]])
    assert len(twice["qlike"]) == 2 * len(DAYS)
