"""POST /v1/forecasts: a series of prices in, the distribution of its next days out."""

import time
from uuid import uuid4

from fastapi import APIRouter, Request

from app.http.body import Body
from app.http.contract import TEXT_BYTES, Contract
from app.http.dialects import OWN
from app.http.openapi import errors, json_content
from app.http.requests import read_body, while_connected
from app.http.schema import ModelInfo
from app.serving.engine import Engine
from app.tasks.forecasting.prices import Horizon, Levels, Prices, job_of
from app.tasks.forecasting.schemas import Forecast, ForecastResponse
from model.tasks.forecasting import FORECASTING

EXAMPLE = {"series": {"close": [100 + day % 7 + day / 10 for day in range(60)]}}

router = APIRouter(tags=["forecasting"])


class ForecastRequest(Body):
    """A request for a forecast."""

    series: Prices
    """Daily prices, oldest first, 60 to 50,000: days, better with open, high and low, or closes alone."""
    horizon: Horizon = 5
    """Days of trading ahead."""
    levels: Levels = [80, 95]  # noqa: RUF012 (pydantic copies it)
    """Levels of the intervals, in percent."""
    model: str | None = None
    """Name of a forecaster, as in /v1/models."""


@router.post(
    "/v1/forecasts",
    responses=errors(
        OWN,
        {
            400: "A body that can't be read, or a series that can't be forecast from",
            404: "No such forecaster",
            422: "A parameter is wrong",
            504: "It took too long",
        },
    ),
    openapi_extra={"requestBody": json_content(ForecastRequest.json_schema(), EXAMPLE)},
)
@Contract(task="forecasting", body="text")
async def create_forecast(request: Request) -> ForecastResponse:
    """Forecasts the days ahead of a series: how far the close may be from today's, and how volatile it will be.

    The price itself is not forecast better than by today's.

    curl localhost:8000/v1/forecasts -d '{"series": {"close": [...]}, "horizon": 5}'
    """
    started = time.perf_counter()
    asked = await read_body(request, ForecastRequest, TEXT_BYTES)
    engine: Engine = request.app.state.engine
    checkpoint = engine.find(FORECASTING, asked.model)
    (task,) = engine.worker(checkpoint).submit([job_of(asked.series, asked.horizon, asked.levels)])
    job = await while_connected(request, task)
    return ForecastResponse(
        id=f"forecast-{uuid4().hex}",
        model=ModelInfo.model_validate(checkpoint),
        **Forecast.of(job).model_dump(),
        timing_ms=round(1000 * (time.perf_counter() - started), 2),
    )
