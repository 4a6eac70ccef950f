"""Real servers on real sockets, and pictures as the bytes of files."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import torch
from fastapi import FastAPI

from app.http.server import Server
from app.main import create_app
from app.serving.engine import Engine
from app.settings import Settings
from model.checkpoint import Checkpoint, save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.text import TEXT
from model.tasks.text.batch import generate
from model.tasks.text.config import GenerationConfig
from model.tasks.text.language import LanguageModel

Serve = Callable[..., AbstractContextManager[httpx2.Client]]
Encode = Callable[..., bytes]


@contextmanager
def serving(app: FastAPI, *, server: Server | None = None, send_buffer: int | None = None) -> Iterator[httpx2.Client]:
    """A client of `app`, which listens on a free port from a thread of its own.

    Args:
        app: what is served.
        server: that serves it, for those who have to do with it themselves.
        send_buffer: bytes that the network may hold back for a client that does not read; by default many.
    """
    server = server or Server(app)
    server.config.port = 0
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        listener = server.servers[0].sockets[0]
        if send_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        port = listener.getsockname()[1]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        gc.unfreeze()  # what `app.http.server` has frozen


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Starts a server for a `with` block."""
    return serving


@pytest.fixture(scope="session")
def checkpoints(tiny_captioner: Captioner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, `tiny`. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("checkpoints")
    save(folder / "tiny", CAPTIONING, tiny_captioner, name="tiny", metrics={"CIDEr": 0.5}, card="# tiny\n")
    return folder


@pytest.fixture(scope="session")
def tagged_checkpoints(tagged_captioner: Captioner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, `tagged`, which has a tagger. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("tagged")
    save(folder / "tagged", CAPTIONING, tagged_captioner, name="tagged", metrics={}, card="# tagged\n")
    return folder


@pytest.fixture(scope="session")
def both_checkpoints(
    tiny_captioner: Captioner, tiny_language_model: LanguageModel, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a captioner, `tiny`, and a language model, `tiny-text`. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("both")
    save(folder / "tiny", CAPTIONING, tiny_captioner, name="tiny", metrics={}, card="# tiny\n")
    save(folder / "tiny-text", TEXT, tiny_language_model, name="tiny-text", metrics={}, card="# tiny-text\n")
    return folder


@pytest.fixture(scope="session")
def served_text(both_checkpoints: Path) -> LanguageModel:
    """The language model that is served: `tiny_language_model`, rounded to the checkpoint's half precision."""
    return Checkpoint.open(both_checkpoints / "tiny-text").expect(TEXT).load()


@pytest.fixture(scope="session")
def served(checkpoints: Path) -> Captioner:
    """The model that is served: `tiny_captioner`, rounded to the checkpoint's half precision."""
    return Checkpoint.open(checkpoints / "tiny").expect(CAPTIONING).load()


@pytest.fixture(scope="session")
def client(checkpoints: Path) -> Iterator[httpx2.Client]:
    """A client of a server that is ready, with the limits an operator gets by default."""
    with serving(create_app(Settings(checkpoints=checkpoints, threads=1))) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def served_tagged(tagged_checkpoints: Path) -> Captioner:
    """The captioner that `tagged_client` asks: `tagged_captioner`, rounded to the checkpoint's half precision."""
    return Checkpoint.open(tagged_checkpoints / "tagged").expect(CAPTIONING).load()


@pytest.fixture(scope="session")
def tagged_client(tagged_checkpoints: Path) -> Iterator[httpx2.Client]:
    """A client of a server whose captioner has a tagger."""
    with serving(create_app(Settings(checkpoints=tagged_checkpoints, threads=1))) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def text_client(both_checkpoints: Path) -> Iterator[httpx2.Client]:
    """A client of a server that is ready, with a captioner and a language model."""
    with serving(create_app(Settings(checkpoints=both_checkpoints, threads=1))) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def openai_client(text_client: httpx2.Client) -> Iterator[openai.OpenAI]:
    """OpenAI's client of the same server, as it comes, but for its address."""
    with openai.OpenAI(base_url=f"{text_client.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def alone(model: LanguageModel, prompt: str, *, choice: int = 0, **parameters: Any) -> str:
    """What a model says without a server and without company, in single precision."""
    config = GenerationConfig(**{**model.config.generation.model_dump(), **parameters})
    return "".join(delta.text for delta in generate(model, prompt, config, choice=choice, dtype=torch.float32))


def wait_until_ready(client: httpx2.Client) -> None:
    """Polls /readyz as an orchestrator does."""
    until = time.monotonic() + 120
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < until, "not ready after 2 minutes"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def ready() -> Callable[[httpx2.Client], None]:
    """Waits for a server's models."""
    return wait_until_ready


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns when the condition has come true."""
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it did not come true in 30 seconds"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def taken_in() -> Callable[[httpx2.Client, int], None]:
    """Waits until so many requests are being answered, besides the one that asks."""

    def wait(client: httpx2.Client, number: int) -> None:
        line = f"\nrecap_requests_in_flight {number + 1}.0\n"
        wait_until(lambda: line in client.get("/metrics").text)

    return wait


@pytest.fixture
def soon_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends nothing more counts as gone a moment later, and not only after two seconds."""
    monkeypatch.setattr("app.http.connection.HALF_CLOSED_SECONDS", 0.1)


@pytest.fixture(scope="session")
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Waits for a condition to come true."""
    return wait_until


def worker_of(app: FastAPI, name: str) -> Any:
    """The worker of a model, once the application is ready."""
    engine: Engine = app.state.engine
    return engine.worker(engine.get(name))
