"""Series of prices to their forecasts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.errors import Refusal
from app.serving.batcher import Batcher
from app.serving.worker import Resources
from model.checkpoint import Checkpoint
from model.tasks.forecasting import FORECASTING
from model.tasks.forecasting.config import ForecastConfig
from model.tasks.forecasting.forecaster import Forecaster, Step
from model.tasks.forecasting.remarks import remarks
from model.tasks.forecasting.series import Days, Series

BATCH = 8
"""Most series that are taken together; each is forecast on its own, in some tens of milliseconds."""


@dataclass
class ForecastJob:
    """A series, and what becomes of it."""

    read: Callable[[], Series]
    """Reads the prices of the request, on a thread; raises a Refusal."""
    steps: int
    levels: tuple[float, ...]
    series: Series = field(init=False)
    remarks: list[str] = field(init=False)
    ahead: list[Step] = field(init=False)


@contextmanager
def refusing(name: str = "series") -> Iterator[None]:
    """Makes a Refusal of what is wrong with a series, whose field in the request has this name."""
    try:
        yield
    except ValueError as error:
        raise Refusal("bad_series", f"{name}: {error}", name) from error


def next_days(days: Days | None, number: int) -> list[str] | None:
    """Dates of the days ahead: those of the week, and weekends if the series has some; holidays are not known."""
    if days is None:
        return None
    every = ((days[-250:].astype(np.int64) + 3) % 7 > 4).any()
    dates = (np.datetime64(days[-1], "D") + np.arange(1, 2 * number + 8)).astype("datetime64[D]")
    return [str(day) for day in dates if every or np.is_busday(day)][:number]


def prepared(job: ForecastJob) -> ForecastJob:
    """The job, with its series read."""
    job.series = job.read()
    job.remarks = remarks(job.series)
    return job


def finish(model: Forecaster, job: ForecastJob) -> None:
    """Forecasts a job that is prepared."""
    job.ahead = model.forecast(job.series, job.steps, job.levels)


class ForecastWorker(Batcher[ForecastJob]):
    """The worker of a forecaster in evaluation mode."""

    def __init__(self, name: str, model: Forecaster, resources: Resources) -> None:
        self.model = model
        settings = resources.settings
        super().__init__(
            FORECASTING.name,
            name,
            "series",
            resources,
            size=BATCH,
            pause=0.0,
            queue=settings.text_queue,
            deadline=settings.deadline_seconds,
        )

    def prepare(self, item: ForecastJob) -> ForecastJob:
        return prepared(item)

    def run(self, batch: Sequence[ForecastJob]) -> Sequence[ForecastJob]:
        with self.cores.whole():
            for job in batch:
                finish(self.model, job)
        return batch


def load_worker(checkpoint: Checkpoint[ForecastConfig, Forecaster], resources: Resources) -> ForecastWorker:
    """Loads a forecaster and warms it up."""
    model: Any = resources.loader.load(checkpoint)
    model.forecast(Series.of(100 + np.sin(np.arange(300.0))), 1, (80.0,))
    return ForecastWorker(checkpoint.name, model, resources)
