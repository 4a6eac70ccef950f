"""Requests that come together: in batches of any make-up, too many of them, too late, gone, or bad."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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

from app.batching import Batcher
from app.captioning import Answer, PictureRequest, PictureWorker
from app.engine import Engine
from app.errors import ApiError
from app.main import create_app
from app.settings import Settings
from app.telemetry import Metrics
from app.turns import Turns
from model.captioner import Captioner
from model.config import DecodingConfig
from model.runtime import Runtime

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
URL = "/v1/captions"


class Kitchen:
    """Squares numbers, in batches. It can't prepare 13, can't work on 7, and works only while `open` is set."""

    def __init__(self, lanes: int = 0, slowly: float = 0.0, **options: Any) -> None:
        self.slowly = slowly
        """Seconds that preparing takes."""
        self.prepared: list[int] = []
        self.batches: list[list[int]] = []
        self.lanes: list[int | None] = []
        """Of each batch."""
        self.open = threading.Event()
        self.open.set()
        usual: dict[str, Any] = {"threads": 1, "size": 3, "pause": 0.2, "queue": 100, "deadline": 20}
        self.batcher = Batcher[int, int, int](self.prepare, self.work, **usual | options)
        if lanes:
            self.batcher.widen(lanes)

    def prepare(self, item: int) -> int:
        if item == 13:
            raise ApiError(400, "unlucky", "13")
        time.sleep(self.slowly)
        self.prepared.append(item)
        return item

    def work(self, items: Sequence[int], lane: int | None) -> list[int]:
        self.lanes.append(lane)
        assert self.open.wait(20)
        self.batches.append(list(items))
        if 7 in items:
            raise ValueError("7")
        return [item * item for item in items]

    def run(self, guests: Callable[[], Any]) -> None:
        async def run() -> None:
            running = asyncio.create_task(self.batcher.run())
            await guests()
            running.cancel()
            self.batcher.close()

        asyncio.run(asyncio.wait_for(run(), 30))


async def outcome(task: asyncio.Task[int]) -> object:
    try:
        return await task
    except ApiError as error:
        return error.code
    except ValueError as error:
        return str(error)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not come true in 20 seconds"
        time.sleep(0.005)


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_for, condition)


@given(
    st.lists(st.integers(0, 20), max_size=12),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0, 2, 3]),
    st.sampled_from([0.0, 0.002]),
)
@settings(max_examples=40)
def test_everyone_gets_an_answer_and_it_is_their_own(
    items: list[int], size: int, threads: int, lanes: int, pause: float
) -> None:
    kitchen = Kitchen(size=size, threads=threads, lanes=lanes, pause=pause)

    async def guests() -> None:
        tasks = kitchen.batcher.submit(items)
        found = [await outcome(task) for task in tasks]
        assert found == ["unlucky" if item == 13 else "7" if item == 7 else item * item for item in items]
        await until(lambda: kitchen.batcher.pending == 0)

    kitchen.run(guests)
    assert all(len(batch) <= size for batch in kitchen.batches)
    failed = [batch for batch in kitchen.batches if 7 in batch]
    assert sum(map(len, kitchen.batches)) == len(items) - items.count(13) + sum(
        len(batch) for batch in failed if len(batch) > 1
    )


def test_a_batch_takes_what_waits_and_what_comes_shortly() -> None:
    kitchen = Kitchen()

    async def guests() -> None:
        kitchen.open.clear()
        (first,) = kitchen.batcher.submit([1])
        await until(lambda: kitchen.prepared == [1])
        rest = kitchen.batcher.submit([2, 3, 4, 5])
        await until(lambda: len(kitchen.prepared) == 5)
        kitchen.open.set()
        assert [await task for task in (first, *rest)] == [1, 4, 9, 16, 25]

    kitchen.run(guests)
    assert kitchen.batches[0][0] == 1
    assert [item for batch in kitchen.batches for item in batch] == [1, 2, 3, 4, 5]
    assert len(kitchen.batches) <= 3


def test_nobody_waits_for_company_when_none_is_on_its_way() -> None:
    kitchen = Kitchen(pause=60)

    async def guests() -> None:
        assert [await task for task in kitchen.batcher.submit([3])] == [9]

    began = time.monotonic()
    kitchen.run(guests)
    assert time.monotonic() - began < 10


def test_lanes_begin_when_they_will_be_full() -> None:
    kitchen = Kitchen(size=2, lanes=3, pause=0.01)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit([1])
        await until(lambda: kitchen.lanes == [None])
        tasks += kitchen.batcher.submit([2, 3, 4])
        await until(lambda: len(kitchen.prepared) == 4)
        await asyncio.sleep(0.05)
        assert len(kitchen.lanes) == 1  # what is on all cores will be done soon
        tasks += kitchen.batcher.submit([5, 6, 8, 9])
        await until(lambda: len(kitchen.lanes) == 3)
        await asyncio.sleep(0.05)
        assert len(kitchen.lanes) == 3  # what is left would not fill another
        kitchen.open.set()
        assert [await task for task in tasks] == [1, 4, 9, 16, 25, 36, 64, 81]

    kitchen.run(guests)
    assert None not in kitchen.lanes[1:3]
    assert sorted(kitchen.batches)[:2] == [[1], [2, 3]]


def test_what_does_not_fill_a_lane_goes_beside_them() -> None:
    kitchen = Kitchen(size=2, lanes=2, pause=0)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit([1])
        await until(lambda: kitchen.lanes == [None])
        tasks += kitchen.batcher.submit([2, 3])
        await until(lambda: len(kitchen.lanes) == 2)
        kitchen.batcher._at_work.remove(None)  # as if that one had ended first
        tasks += kitchen.batcher.submit([4])
        await until(lambda: len(kitchen.lanes) == 3)
        assert kitchen.lanes[2] is None
        kitchen.batcher._at_work.append(None)
        kitchen.open.set()
        assert [await task for task in tasks] == [1, 4, 9, 16]

    kitchen.run(guests)


@pytest.mark.parametrize("slowly", [0.0, 0.015])
def test_a_batch_on_no_lane_has_half_the_size(slowly: float) -> None:
    kitchen = Kitchen(size=6, lanes=2, threads=6, slowly=slowly)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit(list(range(20, 29)))
        await until(lambda: len(kitchen.lanes) == 2)
        kitchen.open.set()
        assert [await task for task in tasks] == [item * item for item in range(20, 29)]

    kitchen.run(guests)
    assert sorted(map(len, kitchen.batches)) == [3, 6]
    assert kitchen.lanes[0] is None
    assert kitchen.lanes[1] in (0, 1)


def test_too_many_are_refused_at_once_all_or_none() -> None:
    kitchen = Kitchen(size=2, queue=3)

    async def guests() -> None:
        many = kitchen.batcher.submit(list(range(20, 30)))  # nobody was there
        with pytest.raises(ApiError, match="10 pictures wait already") as error:
            kitchen.batcher.submit([1])
        assert error.value.status == 429
        assert error.value.headers
        assert int(error.value.headers["retry-after"]) >= 1
        assert [await task for task in many] == [item * item for item in range(20, 30)]
        await until(lambda: kitchen.batcher.pending == 0)
        kitchen.open.clear()
        three = kitchen.batcher.submit([1, 2, 3])
        with pytest.raises(ApiError, match="3 pictures wait"):
            kitchen.batcher.submit([4, 5, 6])
        two = kitchen.batcher.submit([4, 5])
        kitchen.open.set()
        assert [await task for task in (*three, *two)] == [1, 4, 9, 16, 25]
        kitchen.batcher.require_room()

    kitchen.run(guests)
    assert 6 not in kitchen.prepared


def test_time_that_is_up_is_told_and_no_work_is_spent() -> None:
    kitchen = Kitchen(deadline=0.1, size=1)

    async def guests() -> None:
        kitchen.open.clear()
        tasks = kitchen.batcher.submit([1, 2])
        assert [await outcome(task) for task in tasks] == ["deadline_exceeded"] * 2
        kitchen.open.set()
        assert [await task for task in kitchen.batcher.submit([3])] == [9]

    kitchen.run(guests)
    assert kitchen.batches == [[1], [3]]


def test_no_work_is_spent_on_who_has_left() -> None:
    kitchen = Kitchen(size=1)

    async def guests() -> None:
        kitchen.open.clear()
        at_work, leaving, staying = kitchen.batcher.submit([1, 2, 3])
        await until(lambda: kitchen.prepared == [1, 2, 3])
        leaving.cancel()
        await until(lambda: kitchen.batcher.pending == 2)
        kitchen.open.set()
        assert [await at_work, await staying] == [1, 9]

    kitchen.run(guests)
    assert kitchen.batches == [[1], [3]]


def test_who_waits_is_told_when_it_closes() -> None:
    kitchen = Kitchen(size=1)

    async def guests() -> None:
        kitchen.open.clear()
        at_work, waiting = kitchen.batcher.submit([1, 2])
        await until(lambda: kitchen.prepared == [1, 2])
        late = kitchen.batcher.submit([3])
        kitchen.batcher.close()
        assert [await outcome(task) for task in (waiting, *late)] == ["draining"] * 2
        kitchen.open.set()
        assert await at_work == 1
        with pytest.raises(ApiError, match="shutting down"):
            kitchen.batcher.submit([4])

    kitchen.run(guests)
    assert kitchen.batches == [[1]]


# Of pictures.

KINDS = (
    DecodingConfig(),
    DecodingConfig(method="greedy"),
    DecodingConfig(beam_size=5, num_captions=3, length_penalty=1.0),
    DecodingConfig(method="sample", num_captions=2, seed=5, temperature=1.5),
    DecodingConfig(beam_size=4, num_captions=2, diversity=1.0),
)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=1, max_size=9))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_picture_has_the_same_captions_alone_and_in_any_batch(
    tiny_captioner: Captioner, pictures: list[Image.Image], encode: Encode, asked: list[tuple[int, int, bool]]
) -> None:
    files = [encode(picture) for picture in pictures]
    requests = [PictureRequest(tiny_captioner, files[place], KINDS[kind], seen) for place, kind, seen in asked]
    worker = PictureWorker(Settings(batch_size=8), Turns(), Metrics())

    async def run() -> list[Answer]:
        running = asyncio.create_task(worker.run())
        answers = [await task for task in worker.caption(requests)]
        running.cancel()
        worker.close()
        return answers

    for (place, kind, seen), answer in zip(asked, asyncio.run(run()), strict=True):
        (alone,) = tiny_captioner.caption([pictures[place]], KINDS[kind], attention=seen)
        assert [caption.text for caption in answer.captions] == [caption.text for caption in alone]
        for caption, expected in zip(answer.captions, alone, strict=True):
            assert caption.logprob == pytest.approx(expected.logprob, abs=1e-4)
            assert [token.attention is None for token in caption.tokens] == [not seen] * len(caption.tokens)


@pytest.fixture
def start(checkpoints: Path, serve: Serve, ready: Ready) -> Iterator[Callable[..., tuple[httpx2.Client, Engine]]]:
    """Starts a server with settings of the test's own."""
    with ExitStack() as stack:

        def start(**options: Any) -> tuple[httpx2.Client, Engine]:
            app = create_app(Settings(checkpoints=checkpoints, **{"threads": 1, **options}))
            client = stack.enter_context(serve(app))
            ready(client)
            return client, app.state.engine

        yield start


Start = Callable[..., tuple[httpx2.Client, Engine]]


def post(pool: ThreadPoolExecutor, client: httpx2.Client, body: bytes, **params: Any) -> Future[httpx2.Response]:
    return pool.submit(client.post, URL, content=body, params=params)


def test_one_bad_picture_never_fails_its_neighbours(
    start: Start, encode: Encode, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, engine = start()
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
        with engine._turns.turn():
            post(pool, client, files[0])
            wait_for(lambda: engine.pictures.pending == 1)
            answers = [post(pool, client, file) for file in (*files, files[2][:50], b"no picture")]
            wait_for(lambda: engine.pictures.pending == 6)
        results = [answer.result() for answer in answers]
    assert [result.status_code for result in results] == [200, 500, 200, 200, 200, 400, 400]
    assert "1234" not in results[1].text
    for number in (0, 2, 3, 4):
        (caption,) = results[number].json()["captions"]
        assert caption["text"] == alone[number][0]["text"]
    assert max(encoded) >= 4


@pytest.mark.skipif(not Runtime.available(), reason="lanes are of compiled networks")
def test_many_pictures_are_captioned_on_several_lanes(
    start: Start, pictures: list[Image.Image], encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, engine = start(threads=2, batch_size=4, device="cpu")
    captioner = engine.captioners["tiny"]
    wait_for(lambda: engine.settled)
    files = [encode(picture) for picture in pictures]
    alone = [client.post(URL, content=file).json()["captions"][0] for file in files]
    callers: list[Captioner] = []
    original = Captioner.encode

    def noted(self: Captioner, pixels: torch.Tensor) -> torch.Tensor:
        callers.append(self)
        return original(self, pixels)

    monkeypatch.setattr(Captioner, "encode", noted)
    with ThreadPoolExecutor(20) as pool:
        with engine._turns.turn():
            answers = [post(pool, client, file) for file in 4 * files]
            wait_for(lambda: engine.pictures.pending == 20)
        results = [answer.result() for answer in answers]
    for place, result in enumerate(results):
        (caption,) = result.json()["captions"]
        assert caption["text"] == alone[place % 5]["text"]
        assert caption["logprob"] == pytest.approx(alone[place % 5]["logprob"], abs=1e-4)
    assert captioner in callers  # who comes first is alone
    assert any(lane in callers for lane in captioner.lanes)


def test_a_full_queue_is_told_at_once(start: Start, encode: Encode, picture: Image.Image) -> None:
    client, engine = start(picture_queue=2, batch_size=1)
    file = encode(picture)
    with ThreadPoolExecutor(4) as pool:
        with engine._turns.turn():
            taken = [post(pool, client, file) for _ in range(3)]
            wait_for(lambda: engine.pictures.pending == 3)
            for body in (file, b"\xff" * 1_000_000):
                began = time.monotonic()
                refused = client.post(URL, content=body)
                assert time.monotonic() - began < 5
                assert refused.status_code == 429
                assert refused.json()["error"]["code"] == "queue_full"
                assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert client.get("/healthz").status_code == 200
            assert not any(answer.done() for answer in taken)
        assert [answer.result().status_code for answer in taken] == [200] * 3
    assert client.post(URL, content=file).status_code == 200


def test_a_deadline_is_a_504(start: Start, encode: Encode, picture: Image.Image) -> None:
    client, engine = start(deadline_seconds=0.2)
    with engine._turns.turn():
        late = client.post(URL, content=encode(picture))
    assert late.status_code == 504
    assert late.json()["error"]["code"] == "deadline_exceeded"
    assert "0.2 s" in late.json()["error"]["message"]


def test_a_client_that_left_is_not_worked_for(
    start: Start, encode: Encode, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, engine = start(batch_size=1)
    encoded: list[int] = []
    original = Captioner.encode

    def counted(self: Captioner, pixels: torch.Tensor) -> torch.Tensor:
        encoded.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(Captioner, "encode", counted)
    file = encode(picture)
    with ThreadPoolExecutor(2) as pool:
        with engine._turns.turn():
            first = post(pool, client, file)
            wait_for(lambda: engine.pictures.pending == 1)
            second = pool.submit(client.post, URL, content=file, timeout=2)
            wait_for(lambda: engine.pictures.pending == 2)
            with pytest.raises(httpx2.ReadTimeout):
                second.result()
            wait_for(lambda: engine.pictures.pending == 1)
        assert first.result().status_code == 200
    assert client.post(URL, content=file).status_code == 200
    assert encoded == [1, 1]
