"""A forecaster beside baselines: the mean of each measure, and whether a difference may be chance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.tasks.forecasting.series import Floats
from training.tasks.forecasting.losses import MEASURES, Losses, value

MODEL = "Recap"
"""Name of the forecaster in a comparison."""


@dataclass(frozen=True)
class Row:
    """A method's measure on a series."""

    series: str
    measure: str
    method: str
    value: float
    statistic: float | None
    """Diebold and Mariano's, above 0 where the forecaster is better; None for the forecaster itself."""
    p: float | None
    """Probability of a statistic as far from 0 if both are equally good."""


def compare(series: str, losses: Mapping[str, Losses]) -> list[Row]:
    """All methods that have a measure, of each measure; `losses` are by method, the forecaster's under `MODEL`."""
    rows = []
    for measure in MEASURES:
        for method, found in losses.items():
            if measure not in found:
                continue
            tested = (None, None) if method == MODEL else diebold_mariano(losses[MODEL][measure], found[measure])
            rows.append(Row(series, measure, method, value(measure, found[measure]), *tested))
    return rows


def diebold_mariano(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """The test of two forecasts' losses on the same days (N,): statistic and two-sided p.

    Diebold and Mariano, "Comparing predictive accuracy", 1995, with Newey and West's variance of the mean difference
    over N^(1/3) lags, and a normal distribution. Losses that are the same have a p of 1.
    """
    difference = theirs - ours
    centred, days = difference - difference.mean(), len(difference)
    lags = int(days ** (1 / 3))
    variance = float(centred @ centred) / days
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag]) / days
    if variance <= 0:
        return 0.0, 1.0
    statistic = float(difference.mean()) / math.sqrt(variance / days)
    return statistic, math.erfc(abs(statistic) / math.sqrt(2))


def joined(parts: Sequence[Losses]) -> Losses:
    """The losses of a method on one stretch of days after another."""
    return {measure: np.concatenate([part[measure] for part in parts]) for measure in parts[0]}


def table(rows: Sequence[Row]) -> str:
    """The rows as text, a line each."""
    lines = []
    for row in rows:
        tested = "" if row.p is None else f"  DM {row.statistic:+6.2f}  p {row.p:.3f}"
        lines.append(f"{row.series:12} {MEASURES[row.measure]:22} {row.method:18} {row.value:9.4f}{tested}")
    return "\n".join(lines)
