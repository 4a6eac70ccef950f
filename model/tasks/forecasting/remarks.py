"""Remarks on a series that is unlike those that a forecaster has learnt from: nothing is wrong with it, but its
intervals deserve less trust.
"""

import math
from collections.abc import Iterator

import numpy as np

from model.tasks.forecasting.series import Days, Floats, Series, day_name
from model.tasks.forecasting.signals import YEAR

CALM, WILD = 0.06, 0.50
"""Volatility of a year, between which that of the indices lies in nearly every year."""
JUMP = 0.25
"""Move of a day, as a logarithm, that no index has made: the S&P 500's largest was a fifth, in October 1987."""
SPLITS = {2: "2 to 1", 3: "3 to 1", 4: "4 to 1", 5: "5 to 1", 7: "7 to 1", 10: "10 to 1", 20: "20 to 1", 1.5: "3 to 2"}
"""Ratio of prices before and after a split of shares -> what it is called."""
NEAR = 0.06
"""Distance from a split's ratio, as a logarithm, that a day's own move may make up."""
CLOSED = 10
"""Days without a price that no holiday explains; the longest closure since 1933, in 2001, left out six."""
LOOK_BACK = 4 * YEAR + YEAR
"""Days at the end that forecasts depend on."""


def remarks(series: Series) -> list[str]:
    """A sentence about each thing that is unlike, and what was mended when it was read."""
    recent = series.latest(LOOK_BACK)
    return [*series.notes, *_about_length(series), *_about_days(recent.days), *_about_moves(recent)]


def _about_length(series: Series) -> Iterator[str]:
    if len(series) < YEAR:
        yield f"there are {len(series)} days; with fewer than {YEAR} the usual size of a move is uncertain"
    if not series.has_ranges:
        yield "there are closes alone; with open, high and low the variance of a day is known better"


def _about_days(days: Days | None) -> Iterator[str]:
    if days is None:
        return
    steps = np.diff(days).astype(np.int64)
    usual = float(np.median(steps))
    if usual > 1:
        yield f"the prices are {usual:g} days apart; the forecaster has learnt from daily prices"
        return
    if ((days.astype(np.int64) + 3) % 7 > 4).mean() > 0.1:
        yield "there are prices of weekends; the forecaster has learnt from markets that close then"
    gaps = np.flatnonzero(steps > CLOSED)
    if len(gaps):
        first = int(gaps[-1])
        more = f", and {len(gaps) - 1} more such gaps before" if len(gaps) > 1 else ""
        yield f"no price between {days[first]} and {days[first + 1]}{more}"


def _about_moves(series: Series) -> Iterator[str]:
    returns: Floats = np.diff(np.log(series.close))
    jumps = np.flatnonzero(abs(returns) > JUMP)
    for place in jumps[-3:].tolist():
        day, move = day_name(place + 1, series.days), float(returns[place])
        split = next((name for ratio, name in SPLITS.items() if abs(abs(move) - math.log(ratio)) < NEAR), None)
        change = f"the close goes from {series.close[place]:g} to {series.close[place + 1]:g} on {day}"
        if split:
            kind = "a split" if move < 0 else "a reverse split"
            yield f"{change}, as after {kind} of {split}; if it was one, send prices that are adjusted for it"
        else:
            yield f"{change}; no index that the forecaster has seen moved as much in a day"
    still = float((returns == 0).mean())
    if still > 0.1:
        yield f"on {still:.0%} of the days the close is that of the day before"
    volatility = float(returns[-YEAR:].std()) * math.sqrt(252)
    if not CALM <= volatility <= WILD and not len(jumps):
        yield f"the volatility of the last year is {volatility:.0%}; that of an index is {CALM:.0%} to {WILD:.0%}"
