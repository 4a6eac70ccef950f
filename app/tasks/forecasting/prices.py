"""Prices in the body of a request."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, FailFast, Field
from pydantic_core import PydanticCustomError

from app.errors import Refusal
from app.http.body import Body, Needed
from app.tasks.forecasting.service import ForecastJob, refusing
from model.tasks.forecasting.forecaster import MAX_STEPS
from model.tasks.forecasting.series import MAX_DAYS, PRICES, Series

MAX_LEVELS = 10
MAX_LEVEL = 99.9
"""Highest level: what is rarer has hardly been seen."""
_NUMBER = "a number is needed"


class Day(Body):
    """The prices of a day."""

    date: Annotated[str | None, Needed("a date such as '2018-12-31' is needed")] = None
    """2018-12-31. All days have one, or none has."""
    open: Annotated[float | None, Needed(_NUMBER)] = None
    high: Annotated[float | None, Needed(_NUMBER)] = None
    low: Annotated[float | None, Needed(_NUMBER)] = None
    close: Annotated[float, Needed(_NUMBER)]
    volume: Annotated[float | None, Needed(_NUMBER)] = None
    """Not read."""


class Closes(Body):
    """Closes alone."""

    close: Annotated[list[float], Field(max_length=MAX_DAYS), FailFast(), Needed("a list of numbers, oldest first")]


def _objects(value: Any) -> Any:
    """Refuses at its first item a list of something else than days, since each error takes memory."""
    if isinstance(value, list):
        if len(value) > MAX_DAYS:
            raise PydanticCustomError("too_long", "too many days")
        if not all(isinstance(day, dict) for day in value):
            raise PydanticCustomError("no_days", "days are needed")
    return value


Prices = Annotated[
    list[Day] | Closes,
    BeforeValidator(_objects),
    Needed(f'a list of up to {MAX_DAYS:,} days is needed, oldest first, each with a "close", or {{"close": [...]}}'),
]
Horizon = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Levels = Annotated[
    list[Annotated[float, Field(gt=0, le=MAX_LEVEL)]],
    Field(min_length=1, max_length=MAX_LEVELS),
    Needed(f"1 to {MAX_LEVELS} levels are needed, each above 0 and up to {MAX_LEVEL} percent"),
]


def job_of(prices: list[Day] | Closes, horizon: int, levels: Sequence[float], name: str = "series") -> ForecastJob:
    """The job of a request whose field `name` has the prices."""

    def read() -> Series:
        with refusing(name):
            return Series.of(np.array(prices.close)) if isinstance(prices, Closes) else _series(prices)

    return ForecastJob(read, horizon, tuple(dict.fromkeys(levels)))


def _series(days: Sequence[Day]) -> Series:
    """Raises ValueError if a price or a date is there on some days and not on others."""
    columns = {}
    for name in ("date", *PRICES):
        there = [getattr(day, name) is not None for day in days]
        if any(there):
            if not all(there):
                raise ValueError(f"day {there.index(False) + 1} has no {name}, and others have one; give all, or none")
            columns[name] = [getattr(day, name) for day in days]
    dates = None if "date" not in columns else [_date(text, place) for place, text in enumerate(columns.pop("date"))]
    return Series.of([day.close for day in days], days=dates, **columns)


def _date(text: str, place: int) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"day {place + 1} has the date {text[:40]!r}; write 2018-12-31") from None


def refuse_many(number: int, most: int) -> None:
    """Raises a Refusal of more series than a request may have."""
    if number > most:
        raise Refusal("invalid_parameter", f"there are {number} series; at most {most} are forecast at once", "series")
