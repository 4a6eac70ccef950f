"""Price tables of a folder, the days of their splits, and what came true after each day."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np

from model.files import read_bytes
from model.tasks.forecasting.base import HORIZONS
from model.tasks.forecasting.series import Days, Floats, Series
from model.tasks.forecasting.signals import YEAR, Signals, signals
from model.tasks.forecasting.table import read_table
from training.data.base import SPLITS, DataError
from training.tasks.forecasting.recipe import PriceDataRecipe

V = TypeVar("V", Floats, Days)


@dataclass(frozen=True, eq=False)
class History:
    """A series with its dates, its signals, and what followed."""

    name: str
    series: Series
    days: Days
    """(T,)"""
    signals: Signals
    returns: Floats
    """(T, 3): logarithm of the close 1, 5 and 20 days later over the day's; NaN where the series has ended."""
    variance: Floats
    """(T, 3): mean variance of those days, by their ranges; NaN where the series has ended."""

    @classmethod
    def of(cls, name: str, series: Series) -> "History":
        """The history of a series, which has dates."""
        assert series.days is not None
        found, close = signals(series), np.log(series.close)
        returns = np.stack([ahead(close, horizon) for horizon in HORIZONS], axis=1) - close[:, None]  # (T, 3)
        sums = np.stack([_mean_ahead(found.variance, horizon) for horizon in HORIZONS], axis=1)  # (T, 3)
        return cls(name, series, series.days, found, returns, sums)

    def between(self, first: date | None, last: date | None, horizon: int = 1) -> list[int]:
        """Numbers of the days whose forecast of so many days ahead is for days from `first` on and before `last`.

        Days of the first year are left out.
        """
        begins, ends = ahead(self.days, 1), ahead(self.days, horizon)
        inside = ~np.isnat(ends)
        if first is not None:
            inside &= begins >= np.datetime64(first)
        if last is not None:
            inside &= ends < np.datetime64(last)
        inside[:YEAR] = False
        return np.flatnonzero(inside).tolist()


def ahead(values: V, days: int) -> V:
    """The value so many days later (T,); NaN, or no time, where the series has ended."""
    later = np.full_like(values, np.nan if values.dtype.kind == "f" else np.datetime64("NaT"))
    later[:-days] = values[days:]
    return later


def _mean_ahead(values: Floats, days: int) -> Floats:
    """The mean of the next so many days (T,), each summed on its own."""
    mean: Floats = np.mean([ahead(values, later) for later in range(1, days + 1)], axis=0)
    return mean


def read_history(path: Path) -> History:
    """Reads a CSV file, which has ranges.

    Raises:
        DataError: it can't be read, or lacks opens, highs or lows.
    """
    try:
        series = read_table(read_bytes(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error
    if not series.has_ranges:
        raise DataError(f"{path}: open, high, low and close are needed: the variance of a day is computed of them")
    return History.of(path.stem, series)


def read_histories(path: Path, names: Sequence[str]) -> list[History]:
    """Reads the named tables of a folder, or a single file; raises a DataError."""
    return [read_history(path)] if path.is_file() else [read_history(path / f"{name}.csv") for name in names]


def span(data: PriceDataRecipe, split: str) -> tuple[date | None, date | None]:
    """The first day of a split, and the first after it.

    Raises:
        DataError: there is no such split.
    """
    spans = dict(
        zip(SPLITS, ((None, data.dev_from), (data.dev_from, data.test_from), (data.test_from, None)), strict=True)
    )
    if split not in spans:
        raise DataError(f"split={split}: there are {', '.join(spans)}")
    return spans[split]


def digest(histories: Sequence[History]) -> str:
    """Hexadecimal digest of all closes and dates."""
    found = hashlib.sha256()
    for history in histories:
        found.update(history.days.tobytes())
        found.update(history.series.close.tobytes())
    return found.hexdigest()
