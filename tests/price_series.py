"""Made-up prices: their moves come in calm and in wild times, as those of markets do."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import torch

from model.tasks.forecasting.config import ForecastConfig
from model.tasks.forecasting.forecaster import Forecaster
from model.tasks.forecasting.series import Series
from training.tasks.forecasting.fitting import fit_base
from training.tasks.forecasting.reader import History


def made_up(length: int, seed: int = 0, first: str = "2001-01-01") -> Series:
    """A series of weekdays with ranges."""
    drawn = np.random.default_rng(seed)
    log, variance = 7.0, 1e-4
    rows = []
    for _ in range(length):
        opening = log + 0.2 * variance**0.5 * drawn.standard_normal()
        path = opening + np.cumsum(variance**0.5 / 5 * drawn.standard_normal(25))
        rows.append([opening, max(opening, path.max()), min(opening, path.min()), path[-1]])
        move = path[-1] - log
        variance = 4e-6 + 0.9 * variance + (0.1 if move < 0 else 0.02) * move**2
        log = path[-1]
    opens, highs, lows, closes = np.exp(np.array(rows)).round(4).T
    days = np.busday_offset(np.datetime64(first), np.arange(length), roll="forward")
    return Series.of(closes, open=opens, high=highs, low=lows, days=days)


def altered(series: Series, start: int, seed: int) -> Series:
    """Other prices from a day on."""
    drawn = np.random.default_rng(seed)
    factors = np.ones(len(series))
    factors[start:] = np.exp(0.3 * drawn.standard_normal(len(series) - start))
    prices = {name: getattr(series, name) for name in ("open", "high", "low", "close")}
    return replace(series, **{name: part * factors for name, part in prices.items() if part is not None})


def as_csv(series: Series) -> str:
    """The table of a series with dates and ranges."""
    assert series.days is not None
    columns = (series.open, series.high, series.low, series.close)
    rows = zip(series.days, *(column for column in columns if column is not None), strict=True)
    return "\n".join(["Date,Open,High,Low,Close", *(",".join(map(str, row)) for row in rows)]) + "\n"


def write_prices(folder: Path) -> Path:
    """A folder with two tables of five years."""
    folder.mkdir(parents=True)
    for seed, name in enumerate(("one", "two")):
        (folder / f"{name}.csv").write_text(as_csv(made_up(1300, seed)))
    return folder


def tiny_forecaster(cell: str = "lstm") -> Forecaster:
    """Two small members around a linear model that is fitted; their outputs are random, so that both say something."""
    history = History.of("made up", made_up(900))
    config = ForecastConfig(cell=cell, hidden_size=6, members=2, context=40)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Forecaster(config, fit_base([history], date(2004, 1, 1)))
        for member in model.members:
            torch.nn.init.normal_(member.output.weight, std=0.1)  # type: ignore[arg-type, union-attr]
    return model.eval().requires_grad_(False)
