"""A server with a recogniser on a real socket."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from app.main import create_app
from app.settings import Settings
from model.audio.waveforms import read_waveform
from model.checkpoint import Checkpoint
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.transcription.recogniser import Recogniser, Transcript
from tests.recordings import recording, save_recogniser


@pytest.fixture(scope="session")
def speech_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, `tiny-speech`, which hears letters in noise. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("speech")
    save_recogniser(folder / "tiny-speech")
    return folder


@pytest.fixture(scope="session")
def served_speech(speech_checkpoints: Path) -> Recogniser:
    """The recogniser that is served, rounded to the checkpoint's half precision."""
    return Checkpoint.open(speech_checkpoints / "tiny-speech").expect(TRANSCRIPTION).load()


@pytest.fixture(scope="session")
def speech_client(
    speech_checkpoints: Path,
    serve: Callable[..., AbstractContextManager[httpx2.Client]],
    ready: Callable[[httpx2.Client], None],
) -> Iterator[httpx2.Client]:
    """A client of a server that is ready."""
    with serve(create_app(Settings(checkpoints=speech_checkpoints, threads=1))) as client:
        ready(client)
        yield client


@pytest.fixture(scope="session")
def long() -> bytes:
    """30 s, in three pieces or more."""
    return recording(30)


@pytest.fixture(scope="session")
def expected(served_speech: Recogniser, long: bytes) -> Transcript:
    """The text of the long recording."""
    (found,) = served_speech.transcribe([read_waveform(long)])
    assert len(found.segments) >= 3
    assert len(found.words) >= 6
    return found
