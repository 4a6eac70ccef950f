"""POST /v1/captions/batch: several pictures, each answered on its own, over a socket."""

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from PIL import Image

from app.main import create_app
from app.settings import Settings

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
URL = "/v1/captions/batch"


def texts(results: list[dict[str, Any]]) -> list[str]:
    """The first caption, or the error's code."""
    return [result["error"]["code"] if "error" in result else result["captions"][0]["text"] for result in results]


def test_every_picture_has_its_own_answer_in_order(
    client: httpx2.Client, encode: Encode, pictures: list[Image.Image]
) -> None:
    files = [*map(encode, pictures), b"no picture", b"%PDF-1.7", encode(pictures[0])[:60], b"", encode(pictures[0])]
    alone = [client.post("/v1/captions", params={"beam_size": 2}, content=file).json() for file in files]
    encoded = [base64.b64encode(file).decode() for file in files]
    answers = [
        client.post(URL, files=[("image", ("p", file)) for file in files], data={"beam_size": "2"}),
        client.post(URL, files=[("image", ("p", file)) for file in files], params={"beam_size": "2"}),
        client.post(URL, json={"image": encoded, "beam_size": 2}),
    ]
    for answer in answers:
        assert answer.status_code == 200
        results = answer.json()["results"]
        assert texts(results) == texts(alone)
        assert [result.keys() for result in results] == [one.keys() for one in alone]
        good = [result for result in results if "error" not in result]
        assert len({result["id"] for result in good}) == 6
        for result in results:
            if "error" in result:
                assert result["error"]["request_id"] == answer.headers["x-request-id"]
                assert result["error"]["field"] == "image"
    assert texts(alone)[5:9] == ["not_an_image", "unsupported_format", "damaged_image", "empty_image"]


def test_text_that_stands_for_no_picture_fails_alone(
    client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    good = base64.b64encode(encode(picture)).decode()
    results = client.post(URL, json={"image": ["%%%", good, "https://example.com/a.jpg"]}).json()["results"]
    assert texts(results) == ["bad_base64", "a brown dog runs through the green grass", "url_not_fetched"]
    assert len(client.post(URL, json={"image": good}).json()["results"]) == 1
    assert len(client.post(URL, content=encode(picture)).json()["results"]) == 1
    extras = client.post(URL, json={"image": [good], "attention": True, "tree": True}).json()["results"]
    assert extras[0]["tree"]
    assert extras[0]["captions"][0]["tokens"][0]["attention"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"json": {"image": []}}, 422, "missing_image", "image"),
        ({"json": {"image": ["", 7]}}, 422, "invalid_parameter", "image"),
        ({"json": {"image": [""], "beam_size": 99}}, 422, "invalid_parameter", "beam_size"),
        ({"json": {"image": [""], "prefix": "zyzzyva"}}, 422, "invalid_parameter", "prefix"),
        ({"json": {"image": [""] * 33}}, 422, "too_many_images", "image"),
        ({"files": [("image", b"x")] * 33}, 422, "too_many_images", "image"),
        ({"files": [("image", (None, "x"))] * 33}, 422, "too_many_images", "image"),
        ({"files": [("picture", b"x")]}, 422, "unknown_parameter", "picture"),
    ],
)
def test_what_is_wrong_with_the_request_fails_all(
    client: httpx2.Client, body: dict[str, Any], status: int, code: str, field: str
) -> None:
    response = client.post(URL, **body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert (error["code"], error["field"]) == (code, field)
    if code == "too_many_images":
        assert "takes 32" in error["message"]


def test_limits_are_its_own(
    serve: Serve, ready: Ready, checkpoints: Path, encode: Encode, picture: Image.Image
) -> None:
    settings = Settings(
        checkpoints=checkpoints, threads=1, max_body_bytes=3000, max_batch_bytes=9000, max_batch_images=2
    )
    large = encode(picture, "BMP")[:6000]
    with serve(create_app(settings)) as client:
        ready(client)
        assert client.post("/v1/captions", content=large).status_code == 413
        assert texts(client.post(URL, content=large).json()["results"]) == ["damaged_image"]
        refused = client.post(URL, content=b"\xff" * 9001)
        assert refused.status_code == 413
        assert "9,000 bytes" in refused.json()["error"]["message"]
        assert client.post(URL, files=[("image", b"x")] * 3).json()["error"]["code"] == "too_many_images"


def test_more_pictures_than_there_is_room_are_taken_when_nobody_waits(
    serve: Serve, ready: Ready, checkpoints: Path, encode: Encode, picture: Image.Image
) -> None:
    settings = Settings(checkpoints=checkpoints, threads=1, picture_queue=1, batch_size=2)
    with serve(create_app(settings)) as client:
        ready(client)
        results = client.post(URL, files=[("image", encode(picture))] * 10).json()["results"]
    assert texts(results) == ["a brown dog runs through the green grass"] * 10


def test_a_network_that_fails_is_told_of_each_picture(
    client: httpx2.Client, encode: Encode, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr("model.tasks.captioning.captioner.Captioner.encode", fails)
    answer = client.post(URL, files=[("image", encode(picture))] * 2 + [("image", b"x")])
    assert texts(answer.json()["results"]) == ["internal_error", "internal_error", "not_an_image"]
    assert "1234" not in answer.text


def test_large_answer_holds_up_nobody(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    asked: Any = {"method": "sample", "num_captions": 10, "max_length": 100, "min_length": 100, "attention": "true"}
    shares = []
    with httpx2.Client(base_url=client.base_url) as other, ThreadPoolExecutor(1) as pool:
        for _ in range(6):  # the machine may be busy with something else
            started, longest = time.monotonic(), 0.0
            answer = pool.submit(client.post, URL, files=[("image", encode(picture))] * 32, params=asked)
            while not answer.done():
                began = time.monotonic()
                assert other.get("/healthz").status_code == 200
                longest = max(longest, time.monotonic() - began)
            shares.append(longest / (time.monotonic() - started))
            if shares[-1] < 0.3:
                break
    assert [len(result["captions"]) for result in answer.result().json()["results"]] == [10] * 32
    assert len(answer.result().content) > 3_000_000
    assert min(shares) < 0.3  # to write the answer at once takes most of the time
