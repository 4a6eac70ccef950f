"""Series: what is read, what is mended, and what is refused in which words."""

import re
from typing import Any

import numpy as np
import pytest

from model.tasks.forecasting.series import MAX_DAYS, MIN_DAYS, Series
from tests.price_series import made_up

CLOSES = 100 + np.sin(np.arange(80.0))


def dates(length: int) -> list[str]:
    return [str(np.datetime64("2018-01-01") + day) for day in range(length)]


def test_prices_are_kept_as_they_are() -> None:
    series = Series.of(CLOSES, days=dates(80))
    assert np.array_equal(series.close, CLOSES)
    assert (len(series), series.has_ranges, series.notes) == (80, False, ())
    assert str(series.latest(3).days) == "['2018-03-19' '2018-03-20' '2018-03-21']"
    assert len(series.until(60)) == 60
    with pytest.raises(ValueError, match="there are 59 days"):
        series.until(59)


def changed(place: int, value: float) -> Any:
    prices = CLOSES.copy()
    prices[place] = value
    return prices


@pytest.mark.parametrize(
    ("prices", "days", "message"),
    [
        (CLOSES[: MIN_DAYS - 1], None, "there are 59 days; at least 60 are needed"),
        (np.ones(MAX_DAYS + 1), None, "there are 50,001 days; at most 50,000 are read, so send the latest"),
        (changed(7, -3), None, "the close of day 8 is -3; prices must be above 0"),
        (changed(7, 0), dates(80), "the close of 2018-01-08 is 0; prices must be above 0"),
        (changed(7, np.nan), None, "the close of day 8 is no number; leave out days without a price"),
        (changed(7, np.inf), None, "the close of day 8 is no number"),
        (changed(7, 1e-10), None, "the close of day 8 is 1e-10; prices from 1e-09 to 1e+12 are read"),
        (changed(7, 1e5), None, "the close goes from 99.7206 to 100000 on day 8, more than 100-fold; is a digit wrong"),
        (np.full(80, 5.0), None, "all closes are 5; a price that changes is needed"),
        (CLOSES, dates(80)[::-1], "2018-03-20 comes after 2018-03-21; days are needed in their order, each once"),
        (CLOSES, [*dates(79), dates(79)[-1]], "2018-03-20 stands there twice"),
        (CLOSES, [None, *dates(79)], "day 1 has no date; each day needs one, such as 2018-12-31"),
    ],
)
def test_bad_series_are_refused(prices: Any, days: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Series.of(prices, days=days)


def test_ranges_are_widened_to_hold_the_open_and_the_close() -> None:
    series = Series.of(CLOSES, open=CLOSES + 1, high=CLOSES + 0.5, low=CLOSES - 1)
    assert series.high is not None
    assert np.array_equal(series.high, CLOSES + 1)
    assert series.notes == ("on 80 days, first on day 1, the open or the close is not between low and high",)


def test_a_high_below_a_low_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the high of day 1, 99, is below the low, 101$"):
        Series.of(CLOSES, open=CLOSES, high=CLOSES - 1, low=CLOSES + 1)


def test_a_range_of_a_wrong_digit_is_refused() -> None:
    low = CLOSES.copy()
    low[3] /= 1000
    with pytest.raises(ValueError, match=r"^the high of day 4 is more than 100 times the low; is a digit wrong\?$"):
        Series.of(CLOSES, open=CLOSES, high=CLOSES, low=low)


def test_without_all_three_prices_closes_alone_are_read() -> None:
    series = Series.of(CLOSES, high=CLOSES + 1, low=CLOSES - 1)
    assert not series.has_ranges
    assert series.notes == ("there is no open, so closes alone are read",)
    assert not made_up(60).closes().has_ranges
