"""Losses of forecasts, day by day: what means, tests and coverage are computed from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.tasks.forecasting.base import HORIZONS
from model.tasks.forecasting.forecaster import Forecaster, Outlook
from model.tasks.forecasting.series import Floats
from model.tasks.forecasting.student import log_density, quantile
from training.tasks.forecasting.reader import History

Losses = dict[str, Floats]
"""Name of a measure in `MEASURES` -> its loss on each day (N,)."""
MEASURES = {
    "log_variance_rmse": "log-variance RMSE",
    "qlike": "QLIKE",
    "log_likelihood": "log-likelihood a day",
    "price_mae": "MAE of the close",
}
"""Measures of forecasts of the next day, with their labels. The losses are the squared error of the logarithm of the
variance, QLIKE (Patton, "Volatility forecast comparison using imperfect volatility proxies", 2011), the negative
log-likelihood of the return, and the absolute error of the close."""
LEVELS = (80, 95)
"""Levels of the intervals whose coverage is reported, in percent."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """The forecasts of a model as of some days of a history."""

    history: History
    numbers: list[int]
    """Numbers of the days that they were made on, N of them."""
    outlook: Outlook
    """(N, 3) each."""

    @classmethod
    def of(cls, model: Forecaster, history: History, numbers: list[int]) -> "Forecasts":
        """The forecasts of a model in any mode, which it is left in."""
        training = model.training
        model.eval()
        outlook = model.outlooks(history.signals, numbers)
        model.train(training)
        return cls(history, numbers, outlook)

    @classmethod
    def joined(cls, parts: Sequence["Forecasts"]) -> "Forecasts":
        """Forecasts for one stretch of a history's days after another."""
        outlook = Outlook(*(torch.cat(tensors) for tensors in zip(*(part.outlook for part in parts), strict=True)))
        return cls(parts[0].history, [number for part in parts for number in part.numbers], outlook)

    def losses(self) -> Losses:
        """The losses of the next day (N,)."""
        location, _, _, log_variance, log_mean = (part[:, 0].double().numpy() for part in self.outlook)  # (N,) each
        return {
            **variance_losses(self.history, self.numbers, log_variance, log_mean),
            "log_likelihood": self.nats(0).numpy(),
            "price_mae": price_losses(self.history, self.numbers, location),
        }

    def nats(self, column: int, spread: float = 1.0) -> Tensor:
        """Negative log-likelihood of the returns to a horizon (N,), if the scale were so many times as large; NaN where
        the series has ended.
        """
        location, log_scale, freedom = (part[:, column].double() for part in self.outlook[:3])
        returns = torch.from_numpy(self.history.returns[self.numbers, column])  # (N,)
        return -log_density(returns, location, log_scale + math.log(spread), freedom)

    def coverage(self) -> dict[str, float]:
        """The share of returns inside each interval, `80_1` for that of 80 % a day ahead."""
        shares = {}
        for column, horizon in enumerate(HORIZONS):
            location, log_scale, freedom = (part[:, column].double().numpy() for part in self.outlook[:3])
            outcome = self.history.returns[self.numbers, column]  # (N,)
            known = np.isfinite(outcome)
            for level in LEVELS:
                reach = np.array([quantile(0.5 + level / 200, one) for one in freedom]) * np.exp(log_scale)
                shares[f"{level}_{horizon}"] = float((abs(outcome - location) <= reach)[known].mean())
        return shares


def variance_losses(history: History, numbers: list[int], log_variance: Floats, log_mean: Floats) -> Losses:
    """Losses of forecasts of the next day's variance: its expected logarithm, and that of its mean (N,)."""
    truth = np.log(history.variance[numbers, 0])
    surprise = truth - log_mean
    return {"log_variance_rmse": (truth - log_variance) ** 2, "qlike": np.exp(surprise) - surprise - 1}


def price_losses(history: History, numbers: list[int], expected: Floats) -> Floats:
    """Absolute errors of the next close, for an expected return (N,)."""
    close = history.series.close[numbers]
    errors: Floats = abs(close * np.exp(history.returns[numbers, 0]) - close * np.exp(expected))
    return errors


def value(measure: str, losses: Floats) -> float:
    """The measure of losses (N,)."""
    mean = float(losses.mean())
    if measure == "log_variance_rmse":
        return math.sqrt(mean)
    return -mean if measure == "log_likelihood" else mean
