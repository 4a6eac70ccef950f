"""Daily prices, checked: a series that is not refused can be forecast."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from model.messages import some

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]

MIN_DAYS = 60
"""Fewest days that can be forecast from."""
MAX_DAYS = 50_000
"""Most days that are read; a century and a half of trading has about 40,000."""
LEAST, GREATEST = 1e-9, 1e12
"""Prices beyond these are taken for mistakes."""
FARTHEST = 100
"""Greatest ratio of two closes in a row, or of a day's high and low: what is larger is a wrong digit."""
PRICES = ("open", "high", "low")
"""The prices that a series may lack."""


@dataclass(frozen=True, eq=False)
class Series:
    """Prices of days in their order; `Series.of` checks them."""

    close: Floats
    """(T,), all above 0."""
    open: Floats | None = None
    high: Floats | None = None
    low: Floats | None = None
    """(T,) like the others: there are all three, or none."""
    days: Days | None = None
    """(T,), each after the one before."""
    notes: tuple[str, ...] = ()
    """Whatever was mended or left out, in words."""

    def __len__(self) -> int:
        return len(self.close)

    @property
    def has_ranges(self) -> bool:
        """True if it has opens, highs and lows."""
        return self.high is not None

    def closes(self) -> Self:
        """The same without opens, highs and lows."""
        return replace(self, open=None, high=None, low=None)

    def latest(self, days: int) -> Self:
        """The last so many days, or all if there are no more."""
        return self._part(slice(-days, None))

    def until(self, length: int) -> Self:
        """The first so many days; raises ValueError if they are too few."""
        _check_length(length)
        return self._part(slice(length))

    def _part(self, days: slice) -> Self:
        parts = {name: getattr(self, name) for name in ("close", *PRICES, "days")}
        return replace(self, **{name: part[days] for name, part in parts.items() if part is not None})

    @classmethod
    def of(
        cls,
        close: Sequence[float] | Floats,
        *,
        open: Sequence[float] | Floats | None = None,
        high: Sequence[float] | Floats | None = None,
        low: Sequence[float] | Floats | None = None,
        days: Sequence[Any] | Days | None = None,
        notes: Sequence[str] = (),
    ) -> Self:
        """A series of prices, oldest first.

        Raises:
            ValueError: there are too few or too many days, a price is no number above 0, a high is below a low, days
                are not in order, or the close never changes. The message names the first day that is wrong.
        """
        told = list(notes)
        closes = np.asarray(close, dtype=np.float64)
        dates = None if days is None else np.asarray(days, dtype="datetime64[D]")
        _check_length(len(closes))
        if dates is not None:
            _check_days(dates)
        columns = {"close": closes}
        given = {name: part for name, part in zip(PRICES, (open, high, low), strict=True) if part is not None}
        if len(given) == len(PRICES):
            columns |= {name: np.asarray(part, dtype=np.float64) for name, part in given.items()}
        elif given:
            lacking = [name for name in PRICES if name not in given]
            told.append(f"there is no {some(lacking, ' and no ')}, so closes alone are read")
        for name, column in columns.items():
            _check_prices(name, column, dates)
        if len(columns) > 1:
            told += _mend(columns, dates)
        _check_moves(columns, dates)
        if closes.min() == closes.max():
            raise ValueError(f"all closes are {closes[0]:g}; a price that changes is needed")
        return cls(**columns, days=dates, notes=tuple(told))


def day_name(place: int, days: Days | None) -> str:
    """A day for messages: its date, or its number from 1."""
    return f"day {place + 1}" if days is None else str(days[place])


def _check_length(length: int) -> None:
    if length < MIN_DAYS:
        raise ValueError(f"there are {length} days; at least {MIN_DAYS} are needed, and 250 or more are better")
    if length > MAX_DAYS:
        raise ValueError(f"there are {length:,} days; at most {MAX_DAYS:,} are read, so send the latest")


def _check_days(days: Days) -> None:
    if np.isnat(days).any():
        raise ValueError(f"day {int(np.isnat(days).argmax()) + 1} has no date; each day needs one, such as 2018-12-31")
    steps = np.diff(days).astype(np.int64)
    if (steps <= 0).any():
        place = int((steps <= 0).argmax()) + 1
        problem = "stands there twice" if steps[place - 1] == 0 else f"comes after {days[place - 1]}"
        raise ValueError(f"{days[place]} {problem}; days are needed in their order, each once")


def _check_prices(name: str, prices: Floats, days: Days | None) -> None:
    if not np.isfinite(prices).all():
        place = int((~np.isfinite(prices)).argmax())
        raise ValueError(f"the {name} of {day_name(place, days)} is no number; leave out days without a price")
    if (prices <= 0).any():
        place = int((prices <= 0).argmax())
        raise ValueError(
            f"the {name} of {day_name(place, days)} is {prices[place]:g}; prices must be above 0, since "
            "forecasts are of ratios: leave such days out"
        )
    if (beyond := (prices < LEAST) | (prices > GREATEST)).any():
        place = int(beyond.argmax())
        found = f"the {name} of {day_name(place, days)} is {prices[place]:g}"
        raise ValueError(f"{found}; prices from {LEAST:g} to {GREATEST:g} are read")


def _check_moves(columns: dict[str, Floats], days: Days | None) -> None:
    """Refuses moves that would make any forecast absurd."""
    close = columns["close"]
    far = abs(np.diff(np.log(close))) > np.log(FARTHEST)
    if far.any():
        place = int(far.argmax()) + 1
        raise ValueError(
            f"the close goes from {close[place - 1]:g} to {close[place]:g} on {day_name(place, days)}, more than "
            f"{FARTHEST}-fold; is a digit wrong, or a split not adjusted for?"
        )
    if "high" in columns and (wide := columns["high"] > FARTHEST * columns["low"]).any():
        place = int(wide.argmax())
        raise ValueError(
            f"the high of {day_name(place, days)} is more than {FARTHEST} times the low; is a digit wrong?"
        )


def _mend(columns: dict[str, Floats], days: Days | None) -> list[str]:
    """Widens ranges to hold the open and the close; refuses a high below a low."""
    low, high = columns["low"], columns["high"]
    if (high < low).any():
        place = int((high < low).argmax())
        raise ValueError(f"the high of {day_name(place, days)}, {high[place]:g}, is below the low, {low[place]:g}")
    ends = np.stack([columns["open"], columns["close"]])  # (2, T)
    outside = (ends.max(0) > high) | (ends.min(0) < low)
    if not outside.any():
        return []
    columns["high"], columns["low"] = np.maximum(high, ends.max(0)), np.minimum(low, ends.min(0))
    first = day_name(int(outside.argmax()), days)
    return [f"on {outside.sum()} days, first on {first}, the open or the close is not between low and high"]
