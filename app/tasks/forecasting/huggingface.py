"""Forecasts at a model's own address: Hugging Face has no contract for time series, so prices are Recap's own."""

from fastapi import Request

from app.http.body import Body, parse
from app.http.contract import TEXT_BYTES
from app.http.requests import read_body, while_connected
from app.serving.engine import Engine
from app.tasks.forecasting.prices import Horizon, Levels, Prices, job_of
from app.tasks.forecasting.schemas import Forecast
from app.tasks.huggingface import Handler, Inference
from model.checkpoint import Checkpoint
from model.tasks.forecasting.config import ForecastConfig
from model.tasks.forecasting.forecaster import Forecaster


class ForecastParameters(Body):
    """The parameters of a forecast."""

    horizon: Horizon = 5
    """Days of trading ahead."""
    levels: Levels = [80, 95]  # noqa: RUF012 (pydantic copies it)
    """Levels of the intervals, in percent."""


class ForecastInference(Inference):
    """A request for a forecast."""

    inputs: Prices
    """Daily prices, oldest first, as in `series` of /v1/forecasts."""
    parameters: ForecastParameters | None = None


async def infer(request: Request, engine: Engine, checkpoint: Checkpoint[ForecastConfig, Forecaster]) -> Forecast:
    """The days ahead of a series."""
    asked = await read_body(request, ForecastInference, TEXT_BYTES)
    parameters = asked.parameters or parse(ForecastParameters, {})
    job = job_of(asked.inputs, parameters.horizon, parameters.levels, "inputs")
    (task,) = engine.worker(checkpoint).submit([job])
    return Forecast.of(await while_connected(request, task))


HANDLER = Handler(ForecastInference, infer, "a forecaster takes prices", Forecast)
