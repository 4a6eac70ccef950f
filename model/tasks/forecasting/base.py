"""The linear model that a network's forecast of variance begins with."""

import json
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from model.config import Config
from model.files import read_bytes
from model.tasks.forecasting.series import Floats
from model.tasks.forecasting.signals import TERMS, Signals

HORIZONS = (1, 5, 20)
"""Days ahead that are learnt; those between are interpolated."""

Coefficients = Annotated[tuple[FiniteFloat, ...], Field(min_length=len(TERMS), max_length=len(TERMS))]
ByHorizon = Annotated[tuple[Coefficients, ...], Field(min_length=len(HORIZONS), max_length=len(HORIZONS))]


class LinearBase(Config):
    """HAR with leverage terms: the logarithm of the mean variance of the next 1, 5 and 20 days, relative to the level.

    A row of coefficients for each horizon, in the order of `TERMS`; in full precision, as least squares found them.
    """

    ranges: ByHorizon
    """For series with opens, highs and lows."""
    closes: ByHorizon
    """For closes alone."""
    missed: FiniteFloat
    """Mean of `Signals.missed`, for series that have none."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The model in a JSON file; see `model.task.AssetKind`."""
        try:
            return TypeAdapter(cls).validate_json(read_bytes(path))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from error

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.model_dump(), indent=1) + "\n", encoding="utf-8")

    def log_variance(self, signals: Signals) -> Floats:
        """Logarithm of the mean variance of the days ahead (T, 3), as of each day."""
        rows = np.asarray(self.closes if signals.missed is None else self.ranges)  # (3, 8)
        expected: Floats = signals.level[:, None] + signals.terms @ rows.T
        return expected

    def missed_by(self, signals: Signals) -> Floats:
        """`Signals.missed`, or its mean (T,)."""
        return np.full_like(signals.level, self.missed) if signals.missed is None else signals.missed
