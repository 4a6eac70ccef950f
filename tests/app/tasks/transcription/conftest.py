"""A server with a recogniser on a real socket."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import numpy as np
import pytest
import soundfile
import torch

from app.main import create_app
from app.settings import Settings
from model.audio import RATE
from model.audio.waveforms import read_waveform
from model.checkpoint import Checkpoint, save
from model.tasks.text.config import LanguageModelConfig
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.transcription.alphabet import Alphabet
from model.tasks.transcription.config import DecodingConfig, TranscriptionConfig
from model.tasks.transcription.recogniser import Recogniser, Transcript


@pytest.fixture(scope="session")
def speech_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, `tiny-speech`, which hears letters in noise. Shared: do not change it."""
    torch.manual_seed(6)
    config = TranscriptionConfig(
        bands=16,
        channels=4,
        hidden_size=12,
        num_layers=1,
        language=LanguageModelConfig(hidden_size=8, num_layers=1),
        decoding=DecodingConfig(beam_size=4),
    )
    model = Recogniser(config, Alphabet(" abc"))
    model.initialize()
    with torch.no_grad():
        model.acoustic.output.weight.mul_(4)
        model.acoustic.output.bias[1] += 1.0  # the space, so that there are words
    folder = tmp_path_factory.mktemp("speech")
    save(folder / "tiny-speech", TRANSCRIPTION, model, name="tiny-speech", metrics={}, card="# tiny-speech\n")
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


def recording(seconds: float, format_: str = "WAV") -> bytes:
    """Noise, in which there are pauses."""
    draw = np.random.default_rng(int(10 * seconds))
    samples = 0.1 * draw.normal(size=int(seconds * RATE)) * (np.sin(np.arange(int(seconds * RATE)) / 4000) > -0.5)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=format_, subtype="OPUS" if format_ == "OGG" else None)
    return file.getvalue()


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
