"""A server with a forecaster on a real socket."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from app.main import create_app
from app.settings import Settings
from model.checkpoint import Checkpoint, save
from model.tasks.forecasting import FORECASTING
from model.tasks.forecasting.forecaster import Forecaster
from tests.price_series import tiny_forecaster


@pytest.fixture(scope="session")
def forecast_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, `tiny-prices`. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("forecasting")
    save(folder / "tiny-prices", FORECASTING, tiny_forecaster(), name="tiny-prices", metrics={}, card="# tiny-prices\n")
    return folder


@pytest.fixture(scope="session")
def served_forecaster(forecast_checkpoints: Path) -> Forecaster:
    """The forecaster that is served, rounded to the checkpoint's half precision."""
    return Checkpoint.open(forecast_checkpoints / "tiny-prices").expect(FORECASTING).load()


@pytest.fixture(scope="session")
def forecast_client(
    forecast_checkpoints: Path,
    serve: Callable[..., AbstractContextManager[httpx2.Client]],
    ready: Callable[[httpx2.Client], None],
) -> Iterator[httpx2.Client]:
    """A client of a server that is ready."""
    with serve(create_app(Settings(checkpoints=forecast_checkpoints, threads=1))) as client:
        ready(client)
        yield client
