"""The contract of Nixtla's client, the one public client for forecasts: POST /v2/forecast, and what it asks before."""

import asyncio
from itertools import accumulate
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import FailFast, Field

from app.errors import Refusal
from app.http.body import Body, Ignored, Needed, Unsupported
from app.http.contract import TEXT_BYTES, Contract
from app.http.dialects import OWN
from app.http.openapi import errors, json_content
from app.http.requests import read_body, while_connected
from app.http.schema import Schema
from app.serving.engine import Engine
from app.tasks.forecasting.prices import Closes, Horizon, Levels, job_of, refuse_many
from app.tasks.forecasting.routes import EXAMPLE
from app.tasks.forecasting.service import ForecastJob
from model.tasks.forecasting import FORECASTING
from model.tasks.forecasting.forecaster import MAX_STEPS
from model.tasks.forecasting.remarks import LOOK_BACK
from model.tasks.forecasting.series import MAX_DAYS

MAX_SERIES = 32
_PRICES_ALONE = "a forecaster reads prices alone"
_NOT_TUNED = "models are not tuned to a request"

router = APIRouter(tags=["Nixtla"])


class NixtlaSeries(Body):
    """Several series, one after another."""

    y: Annotated[
        list[float], Field(max_length=MAX_DAYS), FailFast(), Needed(f"a list of up to {MAX_DAYS:,} numbers is needed")
    ]
    """Their closes, oldest first."""
    sizes: Annotated[list[int], FailFast(), Needed("a list of integers is needed: the length of each series")]
    X: Annotated[Any, Unsupported(_PRICES_ALONE)] = None
    X_future: Annotated[Any, Unsupported(_PRICES_ALONE)] = None
    categorical_exog: Annotated[Any, Unsupported(_PRICES_ALONE)] = None
    start_datetime: Ignored = None


class NixtlaRequest(Body):
    """A request for forecasts."""

    series: NixtlaSeries
    h: Horizon = 5
    """Days ahead."""
    level: Levels | None = None
    """Levels of the intervals, in percent; none are returned if it is not given."""
    model: Ignored = None
    freq: Ignored = None
    clean_ex_first: Ignored = None
    finetune_steps: Annotated[Any, Unsupported(_NOT_TUNED, (0,))] = None
    finetune_depth: Ignored = None
    finetune_loss: Ignored = None
    finetuned_model_id: Annotated[Any, Unsupported(_NOT_TUNED)] = None
    feature_contributions: Annotated[Any, Unsupported(_PRICES_ALONE, (False,))] = None
    multivariate: Annotated[Any, Unsupported("each series is forecast on its own", (False,))] = None


class NixtlaForecast(Schema):
    """Forecasts of all series, one after another."""

    mean: list[float]
    sizes: list[int]
    """Days ahead of each series."""
    intervals: dict[str, list[float]] | None
    """`lo-95` and `hi-95` for a level of 95."""
    weights_x: None = None
    feature_contributions: None = None
    input_tokens: int
    """Days that were read."""
    output_tokens: int
    finetune_tokens: int = 0


class NixtlaModel(Schema):
    """The reach of a model."""

    input_size: int
    horizon: int


class NixtlaModelAnswer(Schema):
    """The reach of a model, as the client looks for it."""

    detail: NixtlaModel


class NixtlaKey(Schema):
    """The answer about a key, as the client looks for it."""

    detail: str


@router.post(
    "/v2/forecast",
    responses=errors(
        OWN,
        {
            400: "A body that can't be read, or a series that can't be forecast from",
            404: "There is no forecaster",
            422: "A parameter is wrong",
            504: "It took too long",
        },
    ),
    openapi_extra={
        "requestBody": json_content(
            NixtlaRequest.json_schema(),
            {"series": {"y": EXAMPLE["series"]["close"], "sizes": [60]}, "h": 5, "level": [80, 95]},
        )
    },
)
@Contract(task="forecasting", body="text")
async def create_nixtla_forecast(request: Request) -> NixtlaForecast:
    """Forecasts of series of closes, as Nixtla's service answers.

    `nixtla.NixtlaClient(base_url="http://host", api_key="none").forecast(df, h=5, freq="B")` works as it comes.
    """
    asked = await read_body(request, NixtlaRequest, TEXT_BYTES)
    engine: Engine = request.app.state.engine
    worker = engine.worker(engine.find(FORECASTING, None))
    jobs: list[ForecastJob] = await while_connected(request, asyncio.gather(*worker.submit(_jobs(asked))))
    steps = [step for job in jobs for step in job.ahead]
    intervals = {}
    for level in dict.fromkeys(asked.level or ()):
        intervals[f"lo-{level:g}"] = [step.intervals[level][0] for step in steps]
        intervals[f"hi-{level:g}"] = [step.intervals[level][1] for step in steps]
    return NixtlaForecast(
        mean=[step.close for step in steps],
        sizes=[asked.h] * len(jobs),
        intervals=intervals or None,
        input_tokens=len(asked.series.y),
        output_tokens=len(steps),
    )


def _jobs(asked: NixtlaRequest) -> list[ForecastJob]:
    prices, sizes = asked.series.y, asked.series.sizes
    refuse_many(len(sizes), MAX_SERIES)
    if not sizes or min(sizes) < 0 or sum(sizes) != len(prices):
        message = f"sizes={sizes[:20]}: lengths of one or more series are needed, {len(prices)} together as in y"
        raise Refusal("invalid_parameter", message, "sizes")
    starts = accumulate([0, *sizes[:-1]])
    return [
        job_of(Closes(close=prices[start : start + size]), asked.h, asked.level or ())
        for start, size in zip(starts, sizes, strict=True)
    ]


@router.get("/model_params")
@Contract()
async def model_params() -> NixtlaModelAnswer:
    """The days that a forecaster reads, and those that it forecasts; the client asks before its first forecast."""
    return NixtlaModelAnswer(detail=NixtlaModel(input_size=LOOK_BACK, horizon=MAX_STEPS))


@router.get("/validate_api_key")
@Contract()
async def validate_api_key() -> NixtlaKey:
    """The answer to a key that is good, where the server asks for one; another is refused before it comes here."""
    return NixtlaKey(detail="The key is good.")
