"""POST /v1/captions/stream: words as they come, over a socket."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from fastapi import FastAPI
from PIL import Image

from app.main import create_app
from app.settings import Settings
from model.cells import State
from model.decoding.search import Step
from model.tasks.captioning.decoder import RecurrentDecoder
from model.tasks.captioning.networks import CompiledDecoder
from tests.app.conftest import worker_of

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
URL = "/v1/captions/stream"


@pytest.fixture(scope="module")
def app(checkpoints: Path) -> FastAPI:
    return create_app(Settings(checkpoints=checkpoints, threads=1, batch_pause_ms=100))


@pytest.fixture(scope="module")
def client(app: FastAPI, serve: Serve, ready: Ready) -> Iterator[httpx2.Client]:
    with serve(app) as client:
        ready(client)
        yield client


def events(response: httpx2.Response) -> list[tuple[str, dict[str, Any]]]:
    """Names and data, as a browser's parser finds them."""
    assert response.headers["content-type"].startswith("text/event-stream")
    response.read()
    found = []
    for block in response.text.split("\n\n")[:-1]:
        (name_line, data_line) = block.split("\n")
        assert name_line.startswith("event: ")
        assert data_line.startswith("data: ")
        found.append((name_line.removeprefix("event: "), json.loads(data_line.removeprefix("data: "))))
    return found


def told(found: list[tuple[str, dict[str, Any]]], caption: int) -> list[dict[str, Any]]:
    return [data["token"] for name, data in found if name == "token" and data["index"] == caption]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"method": "greedy", "attention": "true"},
        {"beam_size": 5, "num_captions": 3, "length_penalty": 1.0, "tree": "true"},
        {"method": "sample", "seed": 3, "temperature": 2, "num_captions": 3},
        {"method": "sample"},
        {"beam_size": 4, "num_captions": 2, "diversity": 1},
        {"prefix": "a dog", "max_length": 6},
    ],
)
def test_a_stream_tells_what_a_plain_answer_says(
    client: httpx2.Client, encode: Encode, picture: Image.Image, parameters: dict[str, Any]
) -> None:
    data = encode(picture)
    found = events(client.post(URL, params=parameters, content=data))
    names = [name for name, _ in found]
    assert names == ["image", *["token"] * (len(names) - 2), "caption"]
    first, last = found[0][1], found[-1][1]
    assert first.keys() == {"id", "model", "image"}
    assert first.items() <= last.items()
    streamed = [told(found, number) for number in range(len(last["captions"]))]
    whole = [caption["tokens"] for caption in last["captions"]]
    if parameters.get("method") == "sample":
        streamed, whole = sorted(streamed, key=str), sorted(whole, key=str)
    assert streamed == whole
    assert sum(map(len, streamed)) == names.count("token")
    if parameters != {"method": "sample"}:
        plain = client.post("/v1/captions", params=parameters, content=data).json()
        assert [caption["text"] for caption in plain["captions"]] == [caption["text"] for caption in last["captions"]]
        assert plain.keys() == last.keys()


def test_all_ways_to_send_a_picture_work(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    data = encode(picture)
    answers = [
        client.post(URL, files={"image": data}, data={"method": "greedy"}),
        client.post(URL, params={"method": "greedy"}, content=data),
    ]
    assert len({str(events(answer)[-1][1]["captions"]) for answer in answers}) == 1


def disturb(monkeypatch: pytest.MonkeyPatch, disturbance: Callable[[torch.Tensor], None]) -> None:
    """Does something else before each step of the decoder, which is given its rows."""

    def disturb_kind(kind: type[RecurrentDecoder] | type[CompiledDecoder]) -> None:
        original = kind.step

        def step(self: Any, tokens: torch.Tensor, state: State, memory: Any) -> Step:
            disturbance(tokens)
            return original(self, tokens, state, memory)

        monkeypatch.setattr(kind, "step", step)

    disturb_kind(RecurrentDecoder)
    disturb_kind(CompiledDecoder)


def test_words_come_one_by_one(
    client: httpx2.Client, encode: Encode, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturb(monkeypatch, lambda _: time.sleep(0.05))
    with client.stream("POST", URL, params={"method": "greedy"}, content=encode(picture)) as response:
        times = [time.monotonic() for line in response.iter_lines() if line == "event: token"]
    assert len(times) == 8
    assert times[-1] - times[0] > 0.3


@pytest.mark.parametrize(
    ("body", "parameters", "status", "code"),
    [
        (b"", {}, 400, "empty_image"),
        (b"no picture", {}, 400, "not_an_image"),
        (b"%PDF-1.7", {}, 415, "unsupported_format"),
        (b"no picture", {"beam_size": 99}, 422, "invalid_parameter"),
        (b"no picture", {"model": "nobody"}, 404, "unknown_model"),
        (b"no picture", {"prefix": "zyzzyva"}, 422, "invalid_parameter"),
    ],
)
def test_what_is_wrong_from_the_start_has_a_status(
    client: httpx2.Client, body: bytes, parameters: dict[str, Any], status: int, code: str
) -> None:
    response = client.post(URL, params=parameters, content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_a_search_that_fails_in_the_middle_ends_with_an_error(
    app: FastAPI,
    client: httpx2.Client,
    encode: Encode,
    picture: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps = iter(range(20))

    def fail_at_the_fourth(_: torch.Tensor) -> None:
        if next(steps) == 3:
            raise RuntimeError("the secret is 1234")

    disturb(monkeypatch, fail_at_the_fourth)
    with caplog.at_level(logging.ERROR, "app"):
        found = events(client.post(URL, params={"method": "greedy"}, content=encode(picture)))
    assert [name for name, _ in found] == ["image", "token", "token", "token", "error"]
    error = found[-1][1]["error"]
    assert error["code"] == "internal_error"
    assert "1234" not in str(found)
    assert "1234" in caplog.text
    assert error["request_id"] in caplog.text
    counted = app.state.engine.metrics.registry.get_sample_value
    until = time.monotonic() + 20
    while counted("recap_rejections_total", {"reason": "internal_error"}) != 1:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_no_word_is_told_twice_when_a_batch_goes_again(
    app: FastAPI, client: httpx2.Client, encode: Encode, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []

    def fail_once(words: torch.Tensor) -> None:
        if len(words) > 1 and not failed:
            failed.append(True)
            raise RuntimeError

    disturb(monkeypatch, fail_once)
    data, engine = encode(picture), app.state.engine
    sample = {"method": "sample", "temperature": 3, "min_length": 9, "seed": 5}

    def decoded() -> float:
        labels = {"task": "captioning", "stage": "decode"}
        return engine.metrics.registry.get_sample_value("recap_stage_seconds_count", labels) or 0.0

    def post(url: str, parameters: dict[str, Any]) -> Future[httpx2.Response]:
        before = decoded()
        answer = pool.submit(client.post, url, params=parameters, content=data)
        until = time.monotonic() + 20
        while decoded() == before:
            assert time.monotonic() < until
            time.sleep(0.005)
        return answer

    with ThreadPoolExecutor(3) as pool:
        with engine.pause():
            post("/v1/captions", {"method": "greedy"})  # it is at work; those that follow make a batch
            stream = post(URL, sample)
            other = post("/v1/captions", sample)
        found = events(stream.result())
    assert failed
    assert other.result().status_code == 200
    assert told(found, 0) == found[-1][1]["captions"][0]["tokens"]


@pytest.mark.usefixtures("soon_missed")
def test_a_client_that_leaves_withdraws_its_picture(
    app: FastAPI, client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    worker = worker_of(app, "tiny")
    with app.state.engine.pause():
        with client.stream("POST", URL, content=encode(picture)) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: image"
            assert worker.pending == 1
        until = time.monotonic() + 20
        while worker.pending:
            assert time.monotonic() < until
            time.sleep(0.005)
    assert client.get("/healthz").status_code == 200
