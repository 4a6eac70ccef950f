"""Remarks: each kind of unlikeness is told, and a series like an index is not remarked upon."""

from dataclasses import replace

import numpy as np
import pytest

from model.tasks.forecasting.remarks import remarks
from model.tasks.forecasting.series import Series
from tests.price_series import made_up

SERIES = made_up(600)


def scaled(series: Series, factors: object) -> Series:
    prices = {name: getattr(series, name) * factors for name in ("open", "high", "low", "close")}
    return replace(series, **prices)


def only(series: Series) -> str:
    (remark,) = remarks(series)
    return remark


def test_a_series_like_an_index_is_not_remarked_upon() -> None:
    assert remarks(SERIES) == []


def test_few_days_and_closes_alone_are_told() -> None:
    assert only(SERIES.latest(100)).startswith("there are 100 days; with fewer than 250")
    assert only(SERIES.closes()).startswith("there are closes alone")


@pytest.mark.parametrize(
    ("factor", "told"),
    [
        (0.5, "as after a split of 2 to 1"),
        (10, "as after a reverse split of 10 to 1"),
        (1.37, "no index that the forecaster has seen moved as much in a day"),
    ],
)
def test_splits_and_jumps_are_told(factor: float, told: str) -> None:
    remark = only(scaled(SERIES, np.where(np.arange(600) < 450, 1, factor)))
    assert told in remark
    assert str(SERIES.days[450]) in remark  # type: ignore[index]


def test_gaps_and_other_calendars_are_told() -> None:
    assert SERIES.days is not None
    late = SERIES.days + np.where(np.arange(600) < 400, 0, 28)  # a weekday stays one
    assert only(replace(SERIES, days=late)) == f"no price between {late[399]} and {late[400]}"
    weekly = SERIES.days[0] + 7 * np.arange(600)
    assert only(replace(SERIES, days=weekly)).startswith("the prices are 7 days apart")
    daily = SERIES.days[0] + np.arange(600)
    assert only(replace(SERIES, days=daily)).startswith("there are prices of weekends")


def test_wild_calm_and_still_series_are_told() -> None:
    for power, told in ((6, "the volatility of the last year is "), (0.1, "the volatility of the last year is ")):
        prices = {name: getattr(SERIES, name) ** power for name in ("open", "high", "low", "close")}
        assert only(replace(SERIES, **prices)).startswith(told)
    closes = np.repeat(SERIES.close[::2], 2)
    assert any(remark.startswith("on 50% of the days") for remark in remarks(Series.of(closes)))


def test_what_was_mended_is_told_first() -> None:
    assert remarks(replace(SERIES, notes=("3 lines without a price are left out",)))[0].startswith("3 lines")
