"""Signals: from their definitions, without a unit, and from no later day."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.tasks.forecasting.series import Series
from model.tasks.forecasting.signals import INPUTS, TERMS, Signals, signals, trailing_mean
from tests.price_series import altered, made_up

SERIES = made_up(400)


@settings(max_examples=25, deadline=None)
@given(start=st.integers(1, 399), seed=st.integers(0, 2**16), ranges=st.booleans())
def test_later_days_change_no_signal_to_the_bit(start: int, seed: int, ranges: bool) -> None:
    series = SERIES if ranges else SERIES.closes()
    before, after = signals(series), signals(altered(series, start, seed))
    for field in fields(Signals):
        one, other = getattr(before, field.name), getattr(after, field.name)
        if one is not None:
            assert np.array_equal(one[:start], other[:start]), field.name
    assert not np.array_equal(before.inputs[start:], after.inputs[start:])


def test_variance_of_a_day_is_garman_and_klass() -> None:
    found = signals(SERIES)
    assert SERIES.open is not None
    assert SERIES.high is not None
    assert SERIES.low is not None
    day = 300
    ranged = math.log(SERIES.high[day] / SERIES.low[day])
    body = math.log(SERIES.close[day] / SERIES.open[day])
    assert found.variance[day] == pytest.approx(0.5 * ranged**2 - (2 * math.log(2) - 1) * body**2)
    assert found.returns[day] == pytest.approx(math.log(SERIES.close[day] / SERIES.close[day - 1]))
    assert found.level[day] == pytest.approx(math.log(found.variance[51:301].mean()))
    terms = dict(zip(TERMS, found.terms[day], strict=True))
    assert terms["week"] == pytest.approx(math.log(found.variance[296:301].mean()) - found.level[day])
    size = math.exp(found.level[day] / 2)
    assert terms["week_return"] == pytest.approx(math.log(SERIES.close[day] / SERIES.close[day - 5]) / size)
    assert terms["gap"] == pytest.approx(math.log(SERIES.open[day] / SERIES.close[day - 1]) / size)


def test_signals_have_no_unit() -> None:
    """A series whose moves are three times as large has the same, and so has one in another currency."""
    larger = {name: np.exp(3 * np.log(getattr(SERIES, name))) for name in ("open", "high", "low", "close")}
    for other in (replace(SERIES, **larger), replace(SERIES, close=SERIES.close * 7).closes()):
        one = signals(SERIES if other.has_ranges else SERIES.closes())
        np.testing.assert_allclose(signals(other).inputs, one.inputs, atol=2e-5)
    assert signals(replace(SERIES, **larger)).level[-1] == pytest.approx(signals(SERIES).level[-1] + math.log(9))


def test_a_series_that_hardly_moves_has_finite_signals() -> None:
    closes = np.full(100, 10.0)
    closes[50:] = 11
    for found in (signals(Series.of(closes)), signals(Series.of(closes, open=closes, high=closes, low=closes))):
        assert found.inputs.shape == (100, INPUTS)
        assert np.isfinite(found.inputs).all()
        assert np.isfinite(found.terms).all()


def test_the_weekday_is_that_of_the_date() -> None:
    week = signals(SERIES).inputs[:, -6:-1]  # SERIES begins on a Monday
    assert np.array_equal(week[:5], np.eye(5))
    assert not signals(replace(SERIES, days=None)).inputs[:, -6:].any()


def test_trailing_mean_is_of_the_days_that_there_are() -> None:
    values = np.array([4.0, 2.0, 0.0, 6.0])
    assert trailing_mean(values, 3).tolist() == [4, 3, 2, 8 / 3]
    assert trailing_mean(values, 9).tolist() == [4, 3, 2, 3]
