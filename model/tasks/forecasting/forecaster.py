"""A recurrent forecaster of daily returns and of their variance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import dropout

from model.recurrent import Recurrent
from model.tasks.forecasting.base import HORIZONS, LinearBase
from model.tasks.forecasting.config import ForecastConfig
from model.tasks.forecasting.series import Floats, Series
from model.tasks.forecasting.signals import INPUTS, YEAR, Signals, signals
from model.tasks.forecasting.student import LEAST, quantile

MAX_STEPS = HORIZONS[-1]
"""Most days ahead."""
TRADING_DAYS = 252
"""Days that make a year's volatility of a day's."""
_BATCH = 512


class Window(NamedTuple):
    """Some days of series, as the network takes them."""

    inputs: Tensor
    """(N, T, D)"""
    base: Tensor
    """(N, T, 3): the linear model's logarithm of the mean variance of the days ahead."""
    missed: Tensor
    """(N, T): see `Signals.missed`."""


class Outlook(NamedTuple):
    """The distribution of the return to each horizon, and the variance of the days up to it: (..., 3) each."""

    location: Tensor
    """Median of the return."""
    log_scale: Tensor
    freedom: Tensor
    """Scale and degrees of freedom of a Student t."""
    log_variance: Tensor
    """Expected logarithm of the mean variance of the days."""
    log_mean: Tensor
    """Logarithm of the expected mean variance."""


@dataclass(frozen=True)
class Step:
    """A day ahead."""

    step: int
    close: float
    """Median of the close."""
    intervals: dict[float, tuple[float, float]]
    """Level in percent -> the least and the greatest close of the interval."""
    volatility: float
    """Standard deviation of the return to this day, as of a year of trading."""
    linear_volatility: float
    """The same, by the linear model alone."""


class Member(nn.Module):
    """Recurrent layers, and what they add to the linear model."""

    def __init__(self, config: ForecastConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.recurrent = Recurrent(config.cell, INPUTS, config.hidden_size, config.num_layers, config.dropout)
        self.output = nn.Linear(config.hidden_size, 4 * len(HORIZONS))
        self.bias_of_log = nn.Parameter(torch.tensor([0.35, 0.2, 0.2]))
        """(3,): a logarithm is expected to be less than the logarithm of what is expected."""
        nn.init.zeros_(self.output.weight)  # fresh, it forecasts what the linear model does
        nn.init.zeros_(self.output.bias)

    def forward(self, window: Window) -> Outlook:
        """The outlook at each day of windows (N, T, 3)."""
        hidden, _ = self.recurrent(dropout(window.inputs, self.dropout, self.training))  # (N, T, H)
        found = self.output(dropout(hidden, self.dropout, self.training)).float()  # (N, T, 12)
        location, scale, freedom, variance = found.unflatten(-1, (4, len(HORIZONS))).unbind(-2)  # (N, T, 3) each
        days = torch.tensor(HORIZONS, device=found.device).log()  # (3,)
        log_variance = window.base + variance
        log_scale = 0.5 * (log_variance + window.missed.unsqueeze(-1) + days) + scale
        return Outlook(
            location * torch.exp(log_scale),
            log_scale,
            LEAST + F.softplus(5 + 4 * freedom),
            log_variance,
            log_variance + self.bias_of_log,
        )


class Forecaster(nn.Module):
    """Members that forecast on their own, and the average of what they say.

    Raises:
        ValueError: there is no cell of that kind.
    """

    def __init__(self, config: ForecastConfig, base: LinearBase) -> None:
        super().__init__()
        self.config, self.base = config, base
        self.members = nn.ModuleList(Member(config) for _ in range(config.members))

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, window: Window) -> list[Outlook]:
        """Each member's outlook at each day of windows (N, T, 3)."""
        return [member(window) for member in self.members]

    def window(self, found: Signals) -> Window:
        """All days of a series: (T, ...)."""
        parts = (found.inputs, self.base.log_variance(found), self.base.missed_by(found))
        return Window(*(torch.from_numpy(np.asarray(part, dtype=np.float32)) for part in parts))

    @torch.inference_mode()
    def outlooks(self, found: Signals, days: Sequence[int]) -> Outlook:
        """The average outlook as of some days of a series, by their numbers: (N, 3) each, on the CPU.

        Each reads the `context` days up to its own, and nothing else.
        """
        everything, context = self.window(found), self.config.context
        parts = []
        for start in range(0, len(days), _BATCH):
            ends = days[start : start + _BATCH]
            first = [max(0, end + 1 - context) for end in ends]
            if len({end - begin for begin, end in zip(first, ends, strict=True)}) > 1:  # of the first days of a series
                parts += [self._average(everything, [begin], [end]) for begin, end in zip(first, ends, strict=True)]
            else:
                parts.append(self._average(everything, first, list(ends)))
        return Outlook(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _average(self, everything: Window, first: list[int], last: list[int]) -> Outlook:
        """The outlook as of the last days of windows of the same length (N, 3)."""
        spans = list(zip(first, last, strict=True))
        window = Window(
            *(torch.stack([part[begin : end + 1] for begin, end in spans]).to(self.device) for part in everything)
        )
        found = zip(*self(window), strict=True)
        mean = Outlook(*(torch.stack([part[:, -1] for part in parts]).mean(0).cpu() for parts in found))
        return mean._replace(log_scale=mean.log_scale + math.log(self.config.spread))

    def forecast(self, series: Series, steps: int, levels: Sequence[float]) -> list[Step]:
        """The days ahead of a series, up to `MAX_STEPS`, with intervals of some levels in percent."""
        recent = series.latest(self.config.context + 4 * YEAR + 1)  # no signal looks further back
        found = signals(recent)
        outlook = Outlook(*(part[0].double() for part in self.outlooks(found, [len(recent) - 1])))  # (3,) each
        linear = self.base.log_variance(found)[-1] + self.base.missed_by(found)[-1]  # (3,)
        close = float(series.close[-1])
        return [_step(step, close, outlook, linear, levels) for step in range(1, steps + 1)]


def _step(step: int, close: float, outlook: Outlook, linear: Floats, levels: Sequence[float]) -> Step:
    """A day ahead, between two horizons in proportion to the logarithm of the days."""

    def between(values: Floats) -> float:
        return float(np.interp(np.log(step), np.log(HORIZONS), values))

    days = np.asarray(HORIZONS)
    location = between(np.asarray(outlook.location) / days) * step
    scale = float(np.exp(between(np.asarray(outlook.log_scale) - 0.5 * np.log(days)))) * step**0.5
    freedom = between(np.asarray(outlook.freedom))
    reach = {level: quantile(0.5 + level / 200, freedom) * scale for level in levels}
    return Step(
        step=step,
        close=close * float(np.exp(location)),
        intervals={
            level: (close * float(np.exp(location - reached)), close * float(np.exp(location + reached)))
            for level, reached in reach.items()
        },
        volatility=scale * (freedom / (freedom - 2) / step * TRADING_DAYS) ** 0.5,
        linear_volatility=float(np.exp(between(linear) / 2)) * TRADING_DAYS**0.5,
    )
