"""Pictures that come together: in batches of any make-up, beside bad ones, too many of them, too late, or gone."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.http.contract import RouteTable
from app.main import create_app
from app.serving.engine import Engine
from app.serving.worker import Resources
from app.settings import Settings
from app.tasks.captioning.service import PictureJob, PictureWorker
from model.openvino.lanes import Lane, current_lane
from model.openvino.runtime import Runtime
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecodingConfig
from tests.app.conftest import worker_of

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
WaitFor = Callable[[Callable[[], bool]], None]
URL = "/v1/captions"

KINDS = (
    DecodingConfig(),
    DecodingConfig(method="greedy"),
    DecodingConfig(beam_size=5, num_captions=3, length_penalty=1.0),
    DecodingConfig(method="sample", num_captions=2, seed=5, temperature=1.5),
    DecodingConfig(beam_size=4, num_captions=2, diversity=1.0),
)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=1, max_size=9))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_captions_are_the_same_alone_and_in_any_batch(
    tiny_captioner: Captioner, pictures: list[Image.Image], encode: Encode, asked: list[tuple[int, int, bool]]
) -> None:
    files = [encode(picture) for picture in pictures]
    jobs = [PictureJob(files[place], KINDS[kind], seen) for place, kind, seen in asked]
    resources = Resources(Settings(batch_size=8))
    worker = PictureWorker("tiny", tiny_captioner, resources)

    async def run() -> list[PictureJob]:
        answers = [await task for task in worker.submit(jobs)]
        await worker.close()
        return answers

    answers = asyncio.run(run())
    resources.close()
    for (place, kind, seen), answer in zip(asked, answers, strict=True):
        (alone,) = tiny_captioner.caption([pictures[place]], KINDS[kind], attention=seen)
        assert [caption.text for caption in answer.captions] == [caption.text for caption in alone]
        for caption, expected in zip(answer.captions, alone, strict=True):
            assert caption.logprob == pytest.approx(expected.logprob, abs=1e-4)
            assert [token.attention is None for token in caption.tokens] == [not seen] * len(caption.tokens)


@pytest.fixture
def start(
    checkpoints: Path, serve: Serve, ready: Ready
) -> Iterator[Callable[..., tuple[httpx2.Client, Engine, PictureWorker]]]:
    """Starts a server with settings of the test's own."""
    with ExitStack() as stack:

        def start(**options: Any) -> tuple[httpx2.Client, Engine, PictureWorker]:
            app = create_app(Settings(checkpoints=checkpoints, **{"threads": 1, **options}))
            client = stack.enter_context(serve(app))
            ready(client)
            return client, app.state.engine, worker_of(app, "tiny")

        yield start


Start = Callable[..., tuple[httpx2.Client, Engine, PictureWorker]]


def post(pool: ThreadPoolExecutor, client: httpx2.Client, body: bytes, **params: Any) -> Future[httpx2.Response]:
    return pool.submit(client.post, URL, content=body, params=params)


def test_bad_picture_never_fails_its_neighbours(
    start: Start, encode: Encode, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    client, engine, worker = start()
    files = [encode(picture) for picture in pictures]
    alone = [client.post(URL, content=file).json()["captions"] for file in files]
    encoded: list[int] = []
    original = Captioner.encode

    def fails_at_the_second(self: Captioner, pixels: torch.Tensor) -> torch.Tensor:
        encoded.append(len(pixels))
        if any(torch.equal(one, self.preprocess(pictures[1])) for one in pixels):
            raise RuntimeError("the secret is 1234")
        return original(self, pixels)

    monkeypatch.setattr(Captioner, "encode", fails_at_the_second)
    with ThreadPoolExecutor(8) as pool:
        with engine.pause():
            post(pool, client, files[0])
            wait_for(lambda: worker.pending == 1)
            answers = [post(pool, client, file) for file in (*files, files[2][:50], b"no picture")]
            wait_for(lambda: worker.pending == 6)
        results = [answer.result() for answer in answers]
    assert [result.status_code for result in results] == [200, 500, 200, 200, 200, 400, 400]
    assert "secret" not in results[1].text
    for number in (0, 2, 3, 4):
        (caption,) = results[number].json()["captions"]
        assert caption["text"] == alone[number][0]["text"]
    assert max(encoded) >= 4


@pytest.mark.skipif(not Runtime.available(), reason="lanes are of compiled networks")
def test_lanes_caption_many_pictures(
    start: Start, pictures: list[Image.Image], encode: Encode, monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    client, engine, worker = start(threads=2, batch_size=4, device="cpu")
    wait_for(lambda: engine.settled)
    files = [encode(picture) for picture in pictures]
    alone = [client.post(URL, content=file).json()["captions"][0] for file in files]
    lanes: list[Lane | None] = []
    original = Captioner.encode

    def noted(self: Captioner, pixels: torch.Tensor) -> torch.Tensor:
        lanes.append(current_lane())
        return original(self, pixels)

    monkeypatch.setattr(Captioner, "encode", noted)
    with ThreadPoolExecutor(20) as pool:
        with engine.pause():
            answers = [post(pool, client, file) for file in 4 * files]
            wait_for(lambda: worker.pending == 20)
        results = [answer.result() for answer in answers]
    for place, result in enumerate(results):
        (caption,) = result.json()["captions"]
        assert caption["text"] == alone[place % 5]["text"]
        assert caption["logprob"] == pytest.approx(alone[place % 5]["logprob"], abs=1e-4)
    assert None in lanes  # the first batch is alone
    assert len({lane.number for lane in lanes if lane}) > 1


def test_full_queue_is_refused_at_once(
    start: Start, checkpoints: Path, encode: Encode, picture: Image.Image, wait_for: WaitFor
) -> None:
    routes = RouteTable(create_app(Settings(checkpoints=checkpoints)).routes)
    client, engine, worker = start(picture_queue=2, batch_size=1)
    file = encode(picture)
    with ThreadPoolExecutor(4) as pool:
        with engine.pause():
            taken = [post(pool, client, file) for _ in range(3)]
            wait_for(lambda: worker.pending == 3)
            for body in (file, b"\xff" * 1_000_000):
                began = time.monotonic()
                refused = client.post(URL, content=body)
                assert time.monotonic() - began < 5
                assert refused.status_code == 429
                assert refused.json()["error"]["code"] == "queue_full"
                assert 1 <= int(refused.headers["retry-after"]) <= 60
            documented = client.get("/openapi.json").json()["paths"]
            paths = {path.format(name="tiny") for path in documented if "post" in documented[path]}
            for path in paths | {"/models/tiny/v1/chat/completions"}:
                contract = routes.match({"method": "POST", "path": path}).contract
                full = contract.task == "captioning" or contract.task_of_model
                refused = client.post(path, content=b"{")  # whatever it would say about that
                expected = {429} if full else {400, 415}  # 415 where it is no recording
                assert refused.status_code in expected, path
                assert ("retry-after" in refused.headers) == full, path
            assert client.get("/healthz").status_code == 200
            assert not any(answer.done() for answer in taken)
        assert [answer.result().status_code for answer in taken] == [200] * 3
    assert client.post(URL, content=file).status_code == 200


def test_deadline_is_a_504(start: Start, encode: Encode, picture: Image.Image) -> None:
    client, engine, _ = start(deadline_seconds=0.2)
    with engine.pause():
        late = client.post(URL, content=encode(picture))
    assert late.status_code == 504
    assert late.json()["error"]["code"] == "deadline_exceeded"
    assert "0.2 s" in late.json()["error"]["message"]


@pytest.mark.usefixtures("soon_missed")
def test_client_that_left_costs_no_work(
    start: Start, encode: Encode, picture: Image.Image, monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    client, engine, worker = start(batch_size=1)
    encoded: list[int] = []
    original = Captioner.encode

    def counted(self: Captioner, pixels: torch.Tensor) -> torch.Tensor:
        encoded.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(Captioner, "encode", counted)
    file = encode(picture)
    with ThreadPoolExecutor(1) as pool:
        with engine.pause():
            first = post(pool, client, file)
            wait_for(lambda: worker.pending == 1)
            with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as second:
                second.sendall(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (URL.encode(), len(file)))
                second.sendall(file)
                wait_for(lambda: worker.pending == 2)
            wait_for(lambda: worker.pending == 1)
        assert first.result().status_code == 200
    assert client.post(URL, content=file).status_code == 200
    assert encoded == [1, 1]
