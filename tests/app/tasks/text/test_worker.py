"""Texts over the wire: clients that leave, that are too many, that want captions meanwhile; and a model that fails."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from fastapi import FastAPI
from PIL import Image

from app.errors import Refusal
from app.main import create_app
from app.serving.worker import Resources
from app.settings import Settings
from app.tasks.text.generation import TextRequest, Update
from app.tasks.text.worker import TextWorker
from model.tasks.text.batch import TextBatch, generate
from model.tasks.text.config import GenerationConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.stream import TextStream
from tests.app.conftest import alone, worker_of

Serve = Callable[..., AbstractContextManager[httpx2.Client]]
Ready = Callable[[httpx2.Client], None]
WaitFor = Callable[[Callable[[], bool]], None]
URL = "/v1/completions"
LONG = {"prompt": "A", "max_tokens": 100_000}


@pytest.fixture(scope="module")
def create(both_checkpoints: Path) -> Callable[[], FastAPI]:
    """Makes services of two texts at a time, and one that waits."""
    return lambda: create_app(Settings(checkpoints=both_checkpoints, threads=1, text_slots=2, text_queue=1))


@pytest.fixture(scope="module")
def app(create: Callable[[], FastAPI]) -> FastAPI:
    """Shared by most of these tests, each of which leaves it with nothing to do."""
    return create()


@pytest.fixture(scope="module")
def service(app: FastAPI, serve: Serve, ready: Ready) -> Iterator[httpx2.Client]:
    with serve(app) as client:
        ready(client)
        yield client


@pytest.fixture
def worker(app: FastAPI, service: httpx2.Client, wait_for: WaitFor) -> Iterator[TextWorker]:
    """The one that `client` asks."""
    worker: TextWorker = worker_of(app, "tiny-text")
    yield worker
    wait_for(lambda: worker.pending == 0)


@pytest.fixture
def client(service: httpx2.Client, worker: TextWorker) -> httpx2.Client:
    return service


def connect(
    client: httpx2.Client,
    body: dict[str, Any],
    receive_buffer: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> socket.socket:
    """A bare connection over which a request has been sent."""
    sock = socket.socket()
    sock.settimeout(30)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect((client.base_url.host, client.base_url.port or 80))
    data = json.dumps(body).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"POST {URL} HTTP/1.1\r\nhost: x\r\n{more}content-length: {len(data)}\r\n\r\n"
    sock.sendall(head.encode() + data)
    return sock


@contextmanager
def streaming(client: httpx2.Client, **parameters: Any) -> Iterator[Iterator[str]]:
    """The lines of a stream that has begun."""
    with client.stream("POST", URL, json={**LONG, "stream": True, **parameters}) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert json.loads(next(lines).removeprefix("data: "))["choices"]
        yield lines


@pytest.mark.usefixtures("soon_missed")
@pytest.mark.parametrize("stream", [True, False])
def test_slots_of_a_client_that_leaves_are_free_within_a_step(
    client: httpx2.Client, worker: TextWorker, monkeypatch: pytest.MonkeyPatch, stream: bool, wait_for: WaitFor
) -> None:
    events: list[str] = []

    def noted(kind: type, name: str) -> None:
        original = getattr(kind, name)

        def call(self: Any, *arguments: Any) -> Any:
            events.append(name)
            return original(self, *arguments)

        monkeypatch.setattr(kind, name, call)

    for kind, name in ((TextBatch, "step"), (TextBatch, "leave"), (TextWorker, "end")):
        noted(kind, name)
    with connect(client, {**LONG, "n": 3, "stream": stream}) as sock:
        wait_for(lambda: events.count("step") > 20)
        if stream:
            assert b"200 OK" in sock.recv(1000)
        assert worker.pending == 3
        assert "end" not in events
    wait_for(lambda: worker.pending == 0)
    after = events[events.index("end") + 1 :]
    assert after.count("leave") == 2  # the third was waiting
    assert after[: after.index("leave")].count("step") <= 1
    steps = events.count("step")
    time.sleep(0.2)
    assert events.count("step") <= steps + 1  # nothing is written for nobody
    assert client.post(URL, json={"prompt": "A", "max_tokens": 5}).status_code == 200


@pytest.mark.usefixtures("soon_missed")
def test_slots_of_a_client_that_reads_nothing_are_free_when_it_leaves(
    create: Callable[[], FastAPI], serve: Serve, ready: Ready, wait_for: WaitFor
) -> None:
    app = create()
    with serve(app, send_buffer=4096) as client:
        ready(client)
        worker: TextWorker = worker_of(app, "tiny-text")

        def tokens() -> float:
            name = "recap_text_tokens_total"
            return app.state.engine.metrics.registry.get_sample_value(name, {"model": "tiny-text"}) or 0.0

        with connect(client, {**LONG, "max_tokens": 20_000, "logprobs": 5, "stream": True}, receive_buffer=4096):
            wait_for(lambda: tokens() > 2_000)  # far more than the network's buffers hold, so updates pile up here
        wait_for(lambda: worker.pending == 0)
    assert 2_000 < tokens() < 20_000


def test_queue_holds_texts_and_refuses_too_many(
    client: httpx2.Client, worker: TextWorker, served_text: LanguageModel, wait_for: WaitFor
) -> None:
    body = {"prompt": "The woman", "max_tokens": 20, "seed": 1}
    with ThreadPoolExecutor(1) as pool, streaming(client), streaming(client):
        waiting = pool.submit(client.post, URL, json=body)
        wait_for(lambda: worker.pending == 3)
        refused = client.post(URL, json=body)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        with (
            openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="none", max_retries=0) as official,
            pytest.raises(openai.RateLimitError, match="3 texts wait already"),
        ):
            official.completions.create(model="tiny-text", prompt="x", stream=True)
        assert not waiting.done()
    config = GenerationConfig(**{**served_text.config.generation.model_dump(), "max_tokens": 20, "seed": 1})
    expected = "".join(delta.text for delta in generate(served_text, "The woman", config))
    assert waiting.result().json()["choices"][0]["text"] == expected
    wait_for(lambda: worker.pending == 0)


def test_queue_takes_any_number_of_texts_when_nobody_waits(client: httpx2.Client) -> None:
    answer = client.post(URL, json={"prompt": "A", "max_tokens": 5, "n": 20, "seed": 2}).json()
    assert [len(choice["text"]) for choice in answer["choices"]] == [5] * 20


def test_short_text_is_answered_beside_a_request_for_everything(
    both_checkpoints: Path, served_text: LanguageModel, serve: Serve, ready: Ready, wait_for: WaitFor
) -> None:
    app = create_app(Settings(checkpoints=both_checkpoints, threads=1))
    with serve(app) as client:
        ready(client)
        worker: TextWorker = worker_of(app, "tiny-text")
        with connect(client, {**LONG, "n": 128}):
            wait_for(lambda: worker.pending == 128)
            for seed in range(3):
                began = time.monotonic()
                body = {"prompt": "A", "max_tokens": 20, "seed": seed}
                answer = client.post(URL, json=body).json()["choices"][0]["text"]
                assert time.monotonic() - began < 3  # about half a second where nothing else runs
                assert answer == alone(served_text, "A", max_tokens=20, seed=seed)
            assert worker.pending == 128


def test_texts_that_take_turns_are_the_same(
    client: httpx2.Client,
    worker: TextWorker,
    served_text: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paused: list[TextStream] = []
    pause = TextBatch.pause

    def noted(self: TextBatch, stream: TextStream) -> None:
        paused.append(stream)
        pause(self, stream)

    monkeypatch.setattr(TextBatch, "pause", noted)
    monkeypatch.setattr("app.tasks.text.worker.TURN", 0.01)
    bodies = [{"prompt": "The dog" * seed, "max_tokens": 2000, "seed": seed, "logprobs": 2} for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda body: client.post(URL, json=body).json()["choices"][0], bodies))
    assert len(set(paused)) == 3
    for seed, answer in enumerate(answers):
        assert answer["text"] == alone(served_text, "The dog" * seed, max_tokens=2000, seed=seed)
        assert len(answer["logprobs"]["tokens"]) == 2000


def test_texts_of_one_request_do_not_take_turns(
    client: httpx2.Client, worker: TextWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tasks.text.worker.TURN", 0.0)
    monkeypatch.delattr(TextBatch, "pause")
    assert client.post(URL, json={"prompt": "A", "max_tokens": 500, "n": 6}).status_code == 200


def test_text_that_does_not_begin_in_time_is_given_up(
    both_checkpoints: Path, serve: Serve, ready: Ready, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tasks.text.worker.TURN", 1000.0)
    app = create_app(Settings(checkpoints=both_checkpoints, threads=1, text_slots=1, deadline_seconds=0.5))
    with serve(app) as client:
        ready(client)
        worker: TextWorker = worker_of(app, "tiny-text")
        with streaming(client, n=2) as lines:  # it has begun, so its second text may wait as long as it takes
            refused = client.post(URL, json={"prompt": "A", "max_tokens": 5})
            assert refused.status_code == 504
            assert refused.json()["error"]["message"] == "it did not begin within 0.5 s, and is given up"
            with client.stream("POST", URL, json={"prompt": "A", "stream": True}) as response:
                rest = [line for line in response.iter_lines() if line]
            assert "it did not begin" in json.loads(rest[-1].removeprefix("data: "))["error"]["message"]
            assert worker.pending == 2
            assert next(line for line in lines if line).startswith("data: ")
        wait_for(lambda: worker.pending == 0)
        assert client.post(URL, json={"prompt": "A", "max_tokens": 5}).status_code == 200


@pytest.mark.usefixtures("soon_missed")
def test_client_has_a_share_of_the_queue(both_checkpoints: Path, serve: Serve, ready: Ready, wait_for: WaitFor) -> None:
    keys = tuple(sha256(name.encode()).hexdigest() for name in ("one", "two"))
    app = create_app(Settings(checkpoints=both_checkpoints, threads=1, text_slots=2, text_queue=4, api_keys=keys))
    with serve(app) as client:
        ready(client)
        worker: TextWorker = worker_of(app, "tiny-text")
        one, two = ({"authorization": f"Bearer {name}"} for name in ("one", "two"))
        short = {"prompt": "A", "max_tokens": 5}
        with connect(client, {**LONG, "n": 4}, headers=one) as held:
            wait_for(lambda: worker.pending == 4)
            refused = client.post(URL, json=short, headers=one)
            assert refused.status_code == 429
            assert "this client has 4 texts here already" in refused.json()["error"]["message"]
            assert int(refused.headers["retry-after"]) >= 1
            assert client.post(URL, json={**short, "n": 2}, headers=two).status_code == 200
            held.close()
        wait_for(lambda: worker.pending == 0)
        assert client.post(URL, json={**short, "n": 6}, headers=one).status_code == 200


def test_failed_step_fails_its_texts_and_no_others(
    client: httpx2.Client,
    worker: TextWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wait_for: WaitFor,
) -> None:
    step = TextBatch.step
    broken = threading.Event()

    def fails(self: TextBatch) -> Any:
        if broken.is_set():
            broken.clear()
            raise RuntimeError("the secret is 1234")
        return step(self)

    with caplog.at_level(logging.ERROR, "app"), ThreadPoolExecutor(1) as pool, streaming(client, n=2) as lines:
        plain = pool.submit(client.post, URL, json={**LONG, "max_tokens": 30})  # it waits, and comes to no harm
        wait_for(lambda: worker.pending == 3)
        monkeypatch.setattr(TextBatch, "step", fails)
        broken.set()
        rest = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    error = rest[-1]["error"]
    assert (error["type"], error["code"], error["param"]) == ("server_error", "internal_error", None)
    assert "1234" not in str(rest)
    assert plain.result().status_code == 200
    (record,) = [record for record in caplog.records if record.name == "app.tasks.text.worker"]
    assert record.exc_info is not None
    broken.set()
    failed = client.post(URL, json=LONG)
    assert failed.status_code == 500
    assert failed.json()["error"]["type"] == "server_error"
    assert client.post(URL, json={"prompt": "A", "max_tokens": 5}).status_code == 200
    assert worker.pending == 0


def test_text_that_cannot_begin_fails_alone(
    client: httpx2.Client, worker: TextWorker, monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    join = TextBatch.join

    def fails(self: TextBatch, prompt: str, *arguments: Any, **options: Any) -> TextStream:
        if prompt == "bad":
            raise RuntimeError
        return join(self, prompt, *arguments, **options)

    monkeypatch.setattr(TextBatch, "join", fails)
    with streaming(client) as lines:
        assert client.post(URL, json={"prompt": ["A", "bad"]}).status_code == 500
        assert "error" not in next(line for line in lines if line)
        wait_for(lambda: worker.pending == 1)


def test_batch_that_cannot_be_rebuilt_fails_and_recovers(
    client: httpx2.Client, worker: TextWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    def fails(*_: Any) -> None:
        nonlocal tried
        tried += 1
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(TextBatch, "step", fails)
        for _ in range(2):
            assert client.post(URL, json={**LONG, "n": 3}).status_code == 500
        time.sleep(0.2)
        assert tried <= 4  # at worst each request finds some texts in the batch and others waiting: no more for nobody
    assert client.post(URL, json={"prompt": "A", "max_tokens": 5}).status_code == 200
    assert worker.pending == 0


def test_texts_go_on_beside_captions(
    client: httpx2.Client, worker: TextWorker, encode: Callable[..., bytes], pictures: list[Image.Image]
) -> None:
    data = encode(pictures[0])
    quiet = client.post("/v1/captions", content=data).json()["captions"]
    steps = 0
    with streaming(client), streaming(client) as lines, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(client.post, "/v1/captions", content=data) for _ in range(40)]
        while not all(answer.done() for answer in answers):
            next(lines)
            steps += 1
    for answer in answers:
        (caption,) = answer.result().json()["captions"]
        assert caption["text"] == quiet[0]["text"]
        assert caption["logprob"] == pytest.approx(quiet[0]["logprob"], abs=1e-4)
    assert steps > 20


def test_close_ends_all_texts_with_a_refusal(tiny_language_model: LanguageModel) -> None:
    worker = TextWorker("tiny-text", tiny_language_model, Resources(Settings(text_slots=1, text_queue=8)))
    long = TextRequest("A", GenerationConfig(max_tokens=100_000))

    async def run() -> None:
        with worker.generate([long]) as writing, worker.generate([long, long]) as waiting:
            assert (await anext(writing))[0].text
            await worker.close()
            for generation in (writing, waiting):
                with pytest.raises(Refusal, match="shutting down") as error:
                    async for _ in generation:
                        pass
                assert error.value.code == "draining"
        with pytest.raises(Refusal, match="shutting down"):
            worker.generate([long])

    asyncio.run(run())
    assert worker.pending == 0


def test_slow_caller_finds_everything_in_one_update(tiny_language_model: LanguageModel, wait_for: WaitFor) -> None:
    worker = TextWorker("tiny-text", tiny_language_model, Resources(Settings(text_slots=2, text_queue=8)))
    config = GenerationConfig(max_tokens=3000, seed=1)

    async def run() -> list[Update]:
        with worker.generate([TextRequest("A", config)]) as generation:
            updates = [(await anext(generation))[0]]
            await asyncio.to_thread(wait_for, lambda: worker.pending == 0)
            updates += [news[0] async for news in generation]
            return updates

    updates = asyncio.run(run())
    asyncio.run(worker.close())
    assert len(updates) == 2
    assert updates[-1].finish_reason == "length"
    expected = "".join(delta.text for delta in generate(tiny_language_model, "A", config))
    assert "".join(update.text for update in updates) == expected
    assert not any(update.tokens for update in updates)  # nobody asked for them, and they would take much room


def test_stopped_server_leaves_no_threads(create: Callable[[], FastAPI], serve: Serve, ready: Ready) -> None:
    before = set(threading.enumerate())
    with serve(create()) as client:
        ready(client)
        assert client.post(URL, json={"prompt": "A", "max_tokens": 5}).status_code == 200
        threads = [thread for thread in threading.enumerate() if thread not in before and "tiny-text" in thread.name]
        assert len(threads) == 1
    assert not threads[0].is_alive()


def test_text_takes_no_more_time_than_it_leaves_to_pictures(app: FastAPI, client: httpx2.Client) -> None:
    theirs = 0.0
    with streaming(client) as lines:
        began = time.monotonic()
        while time.monotonic() < began + 1:
            with app.state.engine.pause():
                since = time.monotonic()
                time.sleep(0.01)  # as a picture's network
                theirs += time.monotonic() - since
        took = time.monotonic() - began
        assert next(line for line in lines if line).startswith("data: ")
    assert theirs > took / 3
