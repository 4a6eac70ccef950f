"""Prices to the numbers that forecasts are made of, none of which has a unit: a series that moves ten times as much has
the same.

Whatever belongs to a day is computed from that day and those before it, so a later day changes nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.tasks.forecasting.series import Days, Floats, Series

YEAR, MONTH, WEEK = 250, 22, 5
"""Days of trading."""
FLOOR = 1e-3
"""Least variance of a day, as a share of the mean: the logarithm of a day without a move would be infinite."""
LARGEST = 8.0
"""Largest number that a network reads, either way."""

TERMS = ("constant", "day", "week", "month", "down", "week_return", "move", "gap")
"""Terms of the linear model: HAR's (Corsi, "A simple approximate long-memory model of realized volatility", 2009) and
four for leverage: volatility rises more after a fall."""
INPUTS = len(TERMS) - 1 + 9
"""Numbers that a network reads of a day."""


@dataclass(frozen=True, eq=False)
class Signals:
    """The numbers of each day, T of them."""

    returns: Floats
    """(T,): logarithm of the close over that of the day before; the first is 0."""
    variance: Floats
    """(T,): of the day, from its range, or the squared return if there is none."""
    level: Floats
    """(T,): logarithm of the mean variance of the year up to the day. Forecasts are relative to it."""
    missed: Floats | None
    """(T,): logarithm of the mean squared return over the mean variance: what happens overnight is in no range. None
    for closes alone."""
    terms: Floats
    """(T, 8): `TERMS`."""
    inputs: npt.NDArray[np.float32]
    """(T, D): what a network reads."""


def signals(series: Series) -> Signals:
    """The signals of a series."""
    close = np.log(series.close)
    returns = np.diff(close, prepend=close[:1])
    squares = returns**2
    variance, gap = squares, np.zeros_like(returns)
    if series.open is not None and series.high is not None and series.low is not None:
        opening = np.log(series.open)
        gap[1:] = opening[1:] - close[:-1]
        ranges = np.log(series.high / series.low)
        # Garman and Klass, "On the estimation of security price volatilities from historical data", 1980.
        variance = 0.5 * ranges**2 - (2 * math.log(2) - 1) * (close - opening) ** 2
    tiny = np.finfo(np.float64).tiny
    variance = np.maximum(variance, FLOOR * trailing_mean(variance, YEAR) + tiny)
    level = np.log(trailing_mean(variance, YEAR))
    size = np.exp(level / 2)
    day = np.log(variance) - level if series.has_ranges else np.zeros_like(level)  # of one return, it is all noise
    week = np.log(trailing_mean(variance, WEEK)) - level
    month = np.log(trailing_mean(variance, MONTH)) - level
    scaled = returns / size
    week_return = WEEK * trailing_mean(returns, WEEK) / size
    terms = np.stack(
        [np.ones_like(level), day, week, month, np.minimum(scaled, 0), week_return, abs(scaled), gap / size], axis=1
    )  # (T, 8)
    current = returns / (size * np.exp(month / 2))  # in terms of the last month's moves
    years = np.log(trailing_mean(variance, 4 * YEAR)) - level
    others = [current, years, np.full_like(level, float(series.has_ranges)), *_calendar(series.days, len(series))]
    inputs = np.concatenate([terms[:, 1:], np.stack(others, axis=1)], axis=1)  # (T, D)
    missed = np.log((trailing_mean(squares, YEAR) + tiny) / trailing_mean(variance, YEAR))
    return Signals(
        returns=returns,
        variance=variance,
        level=level,
        missed=np.clip(missed, -2, 4) if series.has_ranges else None,
        terms=terms,
        inputs=np.clip(inputs, -LARGEST, LARGEST).astype(np.float32),
    )


def trailing_mean(values: Floats, days: int) -> Floats:
    """The mean of each day and those before it, up to so many days (T,)."""
    padded = np.concatenate([np.zeros(min(days, len(values)) - 1), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, min(days, len(values)))  # (T, days)
    mean: Floats = windows.sum(1) / np.minimum(np.arange(1, len(values) + 1), days)
    return mean


def _calendar(days: Days | None, length: int) -> list[Floats]:
    """The weekday, of five, and how long the market was closed before (T,) each; zeros without dates."""
    if days is None:
        return [np.zeros(length)] * 6
    numbers = days.astype(np.int64)
    weekday = (numbers + 3) % 7  # 1970-01-01, number 0, was a Thursday
    closed = np.diff(numbers, prepend=numbers[:1] - 1) - 1.0
    return [*((weekday == number).astype(np.float64) for number in range(5)), np.minimum(closed, 10) / 3]
