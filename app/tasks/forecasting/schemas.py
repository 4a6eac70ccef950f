"""Answers about prices, and the cards of forecasters."""

from typing import Annotated, Any, Literal, Self

from app.http.schema import UNLESS_NONE, ModelCard, ModelInfo, Schema
from app.tasks.forecasting.service import ForecastJob, next_days


class Close(Schema):
    """A close that has not come yet."""

    mean: float
    """Expected close: the median, which is today's close but for a trifle."""
    intervals: dict[str, tuple[float, float]]
    """Level in percent -> least and greatest close of the interval."""


class ForecastStep(Schema):
    """A day ahead."""

    step: int
    """1 is the next day of trading."""
    date: Annotated[str | None, UNLESS_NONE] = None
    """The date if no holiday comes between; only if the series has dates."""
    close: Close
    volatility: float
    """Standard deviation of the return up to this day, as of a year: 0.16 is 1 % a day."""


class Baselines(Schema):
    """Forecasts without the network, to compare with."""

    persistence: float
    """Today's close: all but unbeatable as a forecast of the price."""
    har: list[float]
    """Volatility of each step by the linear model alone, HAR with leverage terms."""


class Forecast(Schema):
    """The days ahead of a series."""

    steps: list[ForecastStep]
    baselines: Baselines
    warnings: list[str]
    """In words, where the series is unlike those that the model has learnt from."""

    @classmethod
    def of(cls, job: ForecastJob) -> Self:
        """The forecast of a job that is done."""
        dates = next_days(job.series.days, job.steps)
        steps = [
            ForecastStep(
                step=ahead.step,
                date=dates[ahead.step - 1] if dates else None,
                close=Close(
                    mean=ahead.close, intervals={f"{level:g}": ends for level, ends in ahead.intervals.items()}
                ),
                volatility=ahead.volatility,
            )
            for ahead in job.ahead
        ]
        baselines = Baselines(
            persistence=float(job.series.close[-1]), har=[ahead.linear_volatility for ahead in job.ahead]
        )
        return cls(steps=steps, baselines=baselines, warnings=job.remarks)


class ForecastResponse(Forecast):
    """A forecast, and the model that made it."""

    id: str
    model: ModelInfo
    timing_ms: float


class ForecasterCard(ModelCard):
    """A model that forecasts prices."""

    task: Literal["time-series-forecasting"] = "time-series-forecasting"
    """Hugging Face's name of the task."""
    cell: str
    """Kind of its recurrent layers."""
    num_layers: int
    hidden_size: int
    members: int
    """Networks whose forecasts are averaged."""
    context: int
    """Days that a network reads."""


def as_json(job: ForecastJob) -> dict[str, Any]:
    """A forecast as the command prints it."""
    return Forecast.of(job).model_dump()
