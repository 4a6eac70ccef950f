"""The forecaster: it knows no later day, is the linear model when fresh, and scales with its series."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.cells import CELLS
from model.checkpoint import Checkpoint, CheckpointError, save
from model.tasks.forecasting import FORECASTING
from model.tasks.forecasting.base import HORIZONS, LinearBase
from model.tasks.forecasting.config import ForecastConfig
from model.tasks.forecasting.forecaster import MAX_STEPS, Forecaster
from model.tasks.forecasting.signals import TERMS, signals
from tests.price_series import altered, made_up, tiny_forecaster

SERIES = made_up(300)
MODEL = tiny_forecaster()


@settings(max_examples=20, deadline=None)
@given(start=st.integers(60, 299), seed=st.integers(0, 2**16), ranges=st.booleans())
def test_later_days_change_no_forecast_to_the_bit(start: int, seed: int, ranges: bool) -> None:
    series = SERIES if ranges else SERIES.closes()
    days = range(45, 300)
    before = MODEL.outlooks(signals(series), days)
    after = MODEL.outlooks(signals(altered(series, start, seed)), days)
    for name, one, other in zip(before._fields, before, after, strict=True):
        assert torch.equal(one[: start - 45], other[: start - 45]), name
        assert not torch.equal(one, other)


def test_a_forecast_is_the_same_with_and_without_later_days() -> None:
    found = MODEL.outlooks(signals(SERIES), range(200, 300))
    alone = MODEL.outlooks(signals(SERIES.until(251)), [250])
    for one, other in zip(found, alone, strict=True):
        torch.testing.assert_close(one[50], other[0], rtol=1e-5, atol=1e-6)


def test_no_day_before_those_that_are_read_matters() -> None:
    long = made_up(3000)
    one, other = (MODEL.forecast(series, 5, (80.0,)) for series in (long, long.latest(1100)))
    assert one == other


def test_fresh_it_forecasts_the_linear_model() -> None:
    fresh = Forecaster(ForecastConfig(hidden_size=4, members=2), MODEL.base).eval()
    found = signals(SERIES)
    outlook = fresh.outlooks(found, [299])
    np.testing.assert_allclose(outlook.log_variance[0], fresh.base.log_variance(found)[-1], rtol=1e-5)
    assert torch.equal(outlook.location, torch.zeros(1, 3))


def test_members_are_averaged() -> None:
    found = signals(SERIES)
    outlook = MODEL.outlooks(found, [299])
    window = MODEL.window(found)
    cut = type(window)(*(part[None, 260:] for part in window))
    with torch.inference_mode():
        parts = [member.log_scale[:, -1] for member in MODEL(cut)]
    assert not torch.equal(parts[0], parts[1])
    torch.testing.assert_close(outlook.log_scale, torch.stack(parts).mean(0))


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_every_cell_forecasts(cell: str) -> None:
    steps = tiny_forecaster(cell).forecast(SERIES, 3, (80.0, 95.0))
    assert [step.step for step in steps] == [1, 2, 3]
    assert all(math.isfinite(step.close) and step.volatility > 0 for step in steps)


def test_intervals_hold_each_other_and_grow() -> None:
    steps = MODEL.forecast(SERIES, MAX_STEPS, (50.0, 80.0, 95.0))
    widths = []
    for step in steps:
        spans = [step.intervals[level] for level in (50.0, 80.0, 95.0)]
        assert spans[2][0] < spans[1][0] < spans[0][0] < step.close < spans[0][1] < spans[1][1] < spans[2][1]
        widths.append(spans[1][1] - spans[1][0])
    assert widths == sorted(widths)


def test_a_series_in_another_currency_has_the_same_forecast() -> None:
    prices = {name: getattr(SERIES, name) * 13 for name in ("open", "high", "low", "close")}
    for one, other in zip(
        MODEL.forecast(SERIES, 5, (80.0,)), MODEL.forecast(replace(SERIES, **prices), 5, (80.0,)), strict=True
    ):
        assert other.close == pytest.approx(13 * one.close, rel=1e-5)
        assert other.intervals[80.0] == pytest.approx([13 * end for end in one.intervals[80.0]], rel=1e-5)
        assert other.volatility == pytest.approx(one.volatility, rel=1e-4)


def test_a_checkpoint_keeps_the_linear_model_to_the_bit(tmp_path: Path) -> None:
    saved = save(tmp_path / "tiny", FORECASTING, tiny_forecaster(), name="tiny", metrics={}, card="")
    loaded = Checkpoint.open(tmp_path / "tiny").expect(FORECASTING).load()
    assert loaded.base == MODEL.base
    assert [file.name for file in sorted(saved.path.iterdir())][:2] == ["README.md", "base.json"]
    (tmp_path / "tiny" / "base.json").write_text("{}")
    with pytest.raises(CheckpointError, match="sha256"):
        Checkpoint.open(tmp_path / "tiny").load()


def test_a_linear_model_of_other_terms_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{"ranges": [[1, 2]], "closes": [], "missed": 0}')
    with pytest.raises(ValueError, match=r"^ranges\.0: .*at least 8"):
        LinearBase.read(tmp_path / "base.json")
    MODEL.base.write(tmp_path / "base.json")
    assert LinearBase.read(tmp_path / "base.json") == MODEL.base
    assert (len(MODEL.base.ranges), len(MODEL.base.ranges[0])) == (len(HORIZONS), len(TERMS))
