"""Forecasts to compare with, each fitted to the days before a date."""

import warnings
from collections.abc import Callable, Iterator
from datetime import date
from importlib.util import find_spec

import numpy as np
import torch

from model.tasks.forecasting.series import Floats
from model.tasks.forecasting.signals import trailing_mean
from model.tasks.forecasting.student import log_density
from training.tasks.forecasting.losses import Losses, price_losses, variance_losses
from training.tasks.forecasting.reader import History

LAMBDA = 0.94
"""Decay of RiskMetrics' variance (J.P. Morgan, "RiskMetrics technical document", 1996)."""


def baselines(history: History, numbers: list[int], before: date) -> Iterator[tuple[str, Losses]]:
    """The losses of each baseline on some days (N,), with what it is fitted to before a date."""
    known = history.between(None, before)
    for name, losses in _BASELINES.items():
        yield name, losses(history, numbers, known)
    if not missing():
        for name, asymmetric in (("GARCH-t", 0), ("GJR-t", 1)):
            yield name, _garch(history, numbers, known, asymmetric)


def missing() -> list[str]:
    """Notes on the baselines that can't be computed here."""
    if find_spec("arch"):
        return []
    return ["GARCH-t and GJR-t are left out: they need the package arch, which the extra `train` installs"]


def _persistence(history: History, numbers: list[int], known: list[int]) -> Losses:
    """Tomorrow is as today: the close, and the variance, whose logarithm is corrected for its mean error."""
    log = np.log(history.signals.variance)
    return _variance(history, numbers, known, log) | {
        "price_mae": price_losses(history, numbers, np.zeros(len(numbers)))
    }


def _drift(history: History, numbers: list[int], known: list[int]) -> Losses:
    """The mean return, and a normal distribution around it."""
    mean, deviation = history.returns[known, 0].mean(), history.returns[known, 0].std()
    expected = np.full(len(numbers), mean)
    return {
        "log_likelihood": _normal(history.returns[numbers, 0], expected, np.full(len(numbers), deviation**2)),
        "price_mae": price_losses(history, numbers, expected),
    }


def _autoregression(history: History, numbers: list[int], known: list[int]) -> Losses:
    """AR(1): a constant, and a share of today's return."""
    terms = np.stack([np.ones(len(history.days)), history.signals.returns], axis=1)  # (T, 2)
    slope = np.linalg.lstsq(terms[known], history.returns[known, 0])[0]
    return {"price_mae": price_losses(history, numbers, terms[numbers] @ slope)}


def _risk_metrics(history: History, numbers: list[int], known: list[int]) -> Losses:
    """Exponential averages: of squared returns for the distribution, of the days' variance for the variance."""
    log = np.log(_smoothed(history.signals.variance))
    squares = _smoothed(history.signals.returns**2)
    zeros = np.zeros(len(numbers))
    return _variance(history, numbers, known, log) | {
        "log_likelihood": _normal(history.returns[numbers, 0], zeros, squares[numbers])
    }


def _smoothed(values: Floats) -> Floats:
    found, smooth = float(values[1:21].mean()), np.empty_like(values)
    for place, one in enumerate(values.tolist()):
        smooth[place] = found = LAMBDA * found + (1 - LAMBDA) * one
    return smooth


def _har(history: History, numbers: list[int], known: list[int]) -> Losses:
    """Corsi's HAR of logarithms: the variance of the day, the week and the month."""
    return _variance(history, numbers, known, _fitted(history, known, _har_terms(history)))


def _har_leverage(history: History, numbers: list[int], known: list[int]) -> Losses:
    """HAR, and what followed falls: the day's return if below 0, the week's, the day's without its sign, the gap."""
    returns, series = history.signals.returns, history.series
    assert series.open is not None
    gap = np.concatenate([[0.0], np.log(series.open[1:] / series.close[:-1])])
    leverage = np.stack([np.minimum(returns, 0), 5 * trailing_mean(returns, 5), abs(returns), gap], axis=1)  # (T, 4)
    terms = np.concatenate([_har_terms(history), leverage], axis=1)
    return _variance(history, numbers, known, _fitted(history, known, terms))


def _har_terms(history: History) -> Floats:
    log = np.log(history.signals.variance)
    return np.stack([np.ones_like(log), log, trailing_mean(log, 5), trailing_mean(log, 22)], axis=1)  # (T, 4)


def _fitted(history: History, known: list[int], terms: Floats) -> Floats:
    """Expected logarithm of the next day's variance (T,), by least squares."""
    expected: Floats = terms @ np.linalg.lstsq(terms[known], np.log(history.variance[known, 0]))[0]
    return expected


def _variance(history: History, numbers: list[int], known: list[int], log: Floats) -> Losses:
    """The losses of a logarithm (T,), and of its exponential times the factor that makes it right on average."""
    factor = float(np.log(np.mean(history.variance[known, 0] / np.exp(log[known]))))
    return variance_losses(history, numbers, log[numbers], log[numbers] + factor)


def _normal(returns: Floats, mean: Floats, variance: Floats) -> Floats:
    """Negative log-likelihood (N,)."""
    nats: Floats = 0.5 * (np.log(2 * np.pi * variance) + (returns - mean) ** 2 / variance)
    return nats


def _garch(history: History, numbers: list[int], known: list[int], asymmetric: int) -> Losses:
    """GARCH(1,1) with Student's t, or GJR's with its term for falls; parameters are fitted to the known days alone."""
    from arch import arch_model

    returns = 100 * history.signals.returns[1:]  # in percent, as its optimizer likes them
    model = arch_model(returns, mean="Constant", vol="GARCH", p=1, o=asymmetric, q=1, dist="t")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence
        fit = model.fit(disp="off", last_obs=known[-1] + 1)
    deviation = model.fix(fit.params).conditional_volatility  # (T - 1,): of each day, from those before it
    freedom = float(fit.params["nu"])
    next_day = torch.from_numpy(np.asarray(deviation)[numbers] * ((freedom - 2) / freedom) ** 0.5 / 100)  # (N,)
    density = log_density(
        torch.from_numpy(history.returns[numbers, 0]),
        torch.tensor(float(fit.params["mu"]) / 100),
        next_day.log(),
        torch.tensor(freedom, dtype=torch.float64),
    )
    return {"log_likelihood": -density.numpy()}


_BASELINES: dict[str, Callable[[History, list[int], list[int]], Losses]] = {
    "persistence": _persistence,
    "drift": _drift,
    "AR(1)": _autoregression,
    "RiskMetrics": _risk_metrics,
    "HAR": _har,
    "HAR with leverage": _har_leverage,
}
