"""The linear model, fitted by least squares to the days of training."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from model.tasks.forecasting.base import HORIZONS, LinearBase
from model.tasks.forecasting.signals import TERMS, signals
from training.data.base import DataError
from training.tasks.forecasting.reader import History


def fit_base(histories: Sequence[History], before: date) -> LinearBase:
    """HAR with leverage terms, of all series together, from days whose outcome was known before a date.

    Raises:
        DataError: there are too few such days.
    """
    ranges = tuple(_coefficients(histories, before, column, closes=False) for column in range(len(HORIZONS)))
    closes = tuple(_coefficients(histories, before, column, closes=True) for column in range(len(HORIZONS)))
    missed = np.concatenate(
        [
            history.signals.missed[history.between(None, before)]
            for history in histories
            if history.signals.missed is not None
        ]
    )
    return LinearBase(ranges=ranges, closes=closes, missed=float(missed.mean()))


def _coefficients(histories: Sequence[History], before: date, column: int, *, closes: bool) -> tuple[float, ...]:
    rows, targets = [], []
    for history in histories:
        known = history.between(None, before, HORIZONS[column])
        found = signals(history.series.closes()) if closes else history.signals
        rows.append(found.terms[known])
        targets.append(np.log(history.variance[known, column]) - found.level[known])
    if sum(map(len, rows)) < 10 * len(TERMS):
        raise DataError(f"{sum(map(len, rows))} days before {before} are too few to fit {len(TERMS)} terms")
    # A term that is always 0, as the gap of closes alone, gets the coefficient 0: the solution of least norm.
    return tuple(np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets))[0].tolist())
