"""A server with a synthesiser on a real socket."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from app.main import create_app
from app.settings import Settings
from model.checkpoint import Checkpoint
from model.tasks.speech import SPEECH
from model.tasks.speech.synthesiser import Synthesiser
from tests.voices import save_synthesiser


@pytest.fixture(scope="session")
def voice_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, `tiny-voice`. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("voice")
    save_synthesiser(folder / "tiny-voice")
    return folder


@pytest.fixture(scope="session")
def served_voice(voice_checkpoints: Path) -> Synthesiser:
    """The synthesiser that is served, rounded to the checkpoint's half precision."""
    return Checkpoint.open(voice_checkpoints / "tiny-voice").expect(SPEECH).load()


@pytest.fixture(scope="session")
def voice_client(
    voice_checkpoints: Path,
    serve: Callable[..., AbstractContextManager[httpx2.Client]],
    ready: Callable[[httpx2.Client], None],
) -> Iterator[httpx2.Client]:
    """A client of a server that is ready."""
    with serve(create_app(Settings(checkpoints=voice_checkpoints, threads=1))) as client:
        ready(client)
        yield client
