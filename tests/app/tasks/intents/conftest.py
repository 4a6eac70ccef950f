"""A server with an intent classifier on a real socket."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from app.main import create_app
from app.settings import Settings
from model.checkpoint import Checkpoint, save
from model.tasks.intents import INTENTS
from model.tasks.intents.classifier import IntentClassifier
from tests.intent_queries import tiny_classifier


@pytest.fixture(scope="session")
def intent_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, `tiny-intents`. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("intents")
    save(folder / "tiny-intents", INTENTS, tiny_classifier(), name="tiny-intents", metrics={}, card="# tiny-intents\n")
    return folder


@pytest.fixture(scope="session")
def served_intents(intent_checkpoints: Path) -> IntentClassifier:
    """The classifier that is served, rounded to the checkpoint's half precision."""
    return Checkpoint.open(intent_checkpoints / "tiny-intents").expect(INTENTS).load()


@pytest.fixture(scope="session")
def intent_client(
    intent_checkpoints: Path,
    serve: Callable[..., AbstractContextManager[httpx2.Client]],
    ready: Callable[[httpx2.Client], None],
) -> Iterator[httpx2.Client]:
    """A client of a server that is ready."""
    with serve(create_app(Settings(checkpoints=intent_checkpoints, threads=1))) as client:
        ready(client)
        yield client
