"""Forecasting: the distribution of a price's next days, from its days so far."""

from model.task import Asset, Task
from model.tasks.forecasting.base import LinearBase
from model.tasks.forecasting.config import ForecastConfig
from model.tasks.forecasting.forecaster import Forecaster

FORECASTING = Task(
    name="forecasting",
    pipeline="time-series-forecasting",
    noun="forecaster",
    config=ForecastConfig,
    assets=(Asset("base", "base.json", LinearBase),),
    build=Forecaster,
)
