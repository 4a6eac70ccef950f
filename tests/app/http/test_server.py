"""Life cycle, limits and manners of the server."""

import hashlib
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from PIL import Image

from app.http.middleware.bodies import BodyLimitMiddleware
from app.main import create_app
from app.serving.loading import Loader
from app.settings import Settings
from model.checkpoint import Checkpoint

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
TakenIn = Callable[[httpx2.Client, int], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
URL = "/v1/captions"
MEGABYTE = 1_000_000


def test_it_answers_while_it_loads(
    serve: Serve,
    ready: Ready,
    tiny_checkpoint: Path,
    encode: Encode,
    picture: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    load = Loader.load

    def held_up(self: Loader, checkpoint: Checkpoint[Any, Any]) -> Any:
        assert gate.wait(60)
        return load(self, checkpoint)

    monkeypatch.setattr(Loader, "load", held_up)
    with serve(create_app(Settings(checkpoints=tiny_checkpoint.parent))) as client:
        try:
            assert client.get("/healthz").json() == {"status": "ok"}
            assert client.get("/v1/models").json()["data"][0]["id"] == "tiny"
            for response in (client.get("/readyz"), client.post(URL, content=encode(picture))):
                assert response.status_code == 503
                assert response.json()["error"]["code"] == "loading"
                assert int(response.headers["retry-after"]) > 0
        finally:
            gate.set()
        ready(client)
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.post(URL, content=encode(picture)).status_code == 200


def test_weights_that_were_changed_are_not_served(serve: Serve, tiny_checkpoint: Path) -> None:
    weights = tiny_checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    reasons: list[str] = []
    with serve(create_app(Settings(checkpoints=tiny_checkpoint.parent), on_failure=reasons.append)) as client:
        until = time.monotonic() + 30
        while not reasons:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert str(weights) in reasons[0]
        assert "sha256" in reasons[0]
        for response in (client.get("/readyz"), client.post(URL)):
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "failed"


def test_models_are_listed_as_openai_lists_them(client: httpx2.Client, checkpoints: Path) -> None:
    body = client.get("/v1/models").json()
    assert body["object"] == "list"
    (card,) = body["data"]
    assert (card["id"], card["object"], card["owned_by"]) == ("tiny", "model", "recap")
    assert abs(card["created"] - time.time()) < 3600
    assert (card["task"], card["default"], card["metrics"]) == ("image-to-text", True, {"CIDEr": 0.5})
    assert card["sha256"] == hashlib.sha256((checkpoints / "tiny" / "model.safetensors").read_bytes()).hexdigest()
    assert card["decoding"]["beam_size"] == 3
    assert (card["preprocessing"]["size"], card["preprocessing"]["resize"]) == (64, "squash")
    assert card["card"] == "# tiny\n"


def test_every_answer_has_a_request_id(client: httpx2.Client) -> None:
    ids = {client.get(path).headers["x-request-id"] for path in ("/healthz", "/nowhere", "/docs", "/readyz")}
    assert len(ids) == 4
    mine = client.get("/nowhere", headers={"x-request-id": "trace-42"})
    assert mine.headers["x-request-id"] == mine.json()["error"]["request_id"] == "trace-42"
    for hostile in ("a b", "x" * 200, 'x"y', "<script>"):
        assert client.get("/healthz", headers={"x-request-id": hostile}).headers["x-request-id"] != hostile


def test_what_is_not_there_is_told_in_the_same_shape(client: httpx2.Client) -> None:
    missing = client.get("/v2/captions")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = client.get(URL)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_head_is_answered_as_get_is_without_the_body(client: httpx2.Client) -> None:
    for path in (
        "/healthz",
        "/readyz",
        "/v1/models",
        "/v1/models/tiny",
        "/model/metadata",
        "/",
        "/docs",
        "/openapi.json",
    ):
        get, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
        assert head.headers["content-type"] == get.headers["content-type"]
    assert client.head("/metrics").status_code == 200
    assert client.head("/nowhere").status_code == 404
    assert client.head(URL).status_code == 405
    wrong = client.post("/healthz")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")


def test_an_unexpected_failure_tells_the_log_and_not_the_client(
    serve: Serve, checkpoints: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(checkpoints=checkpoints))

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError("the secret is 1234")

    with serve(app) as client, caplog.at_level(logging.ERROR, "app"):
        response = client.get("/fails", headers={"x-request-id": "trace-7"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert response.json()["error"]["request_id"] == response.headers["x-request-id"] == "trace-7"
    assert "1234" not in response.text
    (record,) = [record for record in caplog.records if record.name == "app.http.errors"]
    assert "trace-7" in record.getMessage()
    assert record.exc_info is not None


def test_what_fastapi_refuses_has_our_shape(serve: Serve, checkpoints: Path) -> None:
    app = create_app(Settings(checkpoints=checkpoints))

    @app.get("/counts")
    def counts(number: int) -> int:
        return number

    with serve(app) as client:
        response = client.get("/counts?number=many")
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error["field"]) == ("invalid_parameter", "number")
    assert error["message"].startswith("number: Input should be a valid integer")


def test_too_large_a_body_is_refused_before_it_is_sent(client: httpx2.Client) -> None:
    with connect(client) as sock:
        sock.sendall(b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: 25000000\r\n\r\n")
        assert read_answer(sock)[0] == 413


def test_too_large_a_body_is_refused_while_it_streams_in(client: httpx2.Client) -> None:
    with connect(client) as sock:
        sock.sendall(b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(21):  # it never ends
            sock.sendall(b"%x\r\n%b\r\n" % (MEGABYTE, b"\xff" * MEGABYTE))
        status, headers, body = read_answer(sock)
    assert status == 413
    assert headers["connection"] == "close"
    assert json.loads(body)["error"]["code"] == "body_too_large"


@pytest.mark.parametrize("form", [False, True])
def test_a_client_that_sends_all_before_it_listens_still_gets_the_answer(client: httpx2.Client, form: bool) -> None:
    kind = {"content-type": "multipart/form-data; boundary=b"} if form else {}
    head = b'--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n' if form else b""

    def chunks() -> Iterator[bytes]:
        yield head
        for _ in range(25):
            yield b"\xff" * MEGABYTE

    for body, more in ((head + b"\xff" * 25 * MEGABYTE, {}), (chunks(), {"transfer-encoding": "chunked"})):
        connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 80, timeout=20)
        connection.request("POST", URL, body=body, headers=kind | more, encode_chunked=bool(more))
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"]["message"] == "the body is larger than 20,000,000 bytes"
        connection.close()


def test_a_client_that_never_stops_sending_is_cut_off(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BodyLimitMiddleware, "linger_seconds", 0.5)
    began = time.monotonic()
    with connect(client) as sock:
        sock.sendall(b"POST /v1/captions?beamsize=1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        assert read_answer(sock)[0] == 422  # the query alone decides it
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            drip(sock, until=began + 10)
    assert 0.4 < time.monotonic() - began < 5


def test_a_client_that_sends_too_slowly_is_not_waited_for(serve: Serve, ready: Ready, checkpoints: Path) -> None:
    settings = Settings(checkpoints=checkpoints, threads=1, receive_seconds=0.5, receive_rate=1000)
    with serve(create_app(settings)) as client:
        ready(client)
        for head in (b"content-length: 5000", b"transfer-encoding: chunked"):
            began = time.monotonic()
            with connect(client) as sock:
                sock.sendall(b"POST /v1/captions HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % head)
                with ThreadPoolExecutor(1) as pool:
                    dripping = pool.submit(drip, sock, began + 10)
                    status, headers, body = read_answer(sock)
                    with suppress(OSError):  # it may have been cut off already
                        sock.shutdown(socket.SHUT_RDWR)
                    assert isinstance(dripping.exception(), OSError)
                assert (status, headers["connection"]) == (408, "close")
                assert json.loads(body)["error"]["code"] == "body_too_slow"
            assert 0.4 < time.monotonic() - began < 8
        with connect(client) as sock:  # longer, but as fast as is asked for
            sock.sendall(b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n")
            for _ in range(5):
                sock.sendall(b"\xff" * 1000)
                time.sleep(0.25)
            assert read_answer(sock)[0] == 400


@pytest.mark.usefixtures("soon_missed")
def test_bodies_have_so_much_memory_and_no_more(
    serve: Serve, ready: Ready, taken_in: TakenIn, checkpoints: Path
) -> None:
    settings = Settings(checkpoints=checkpoints, threads=1, max_body_bytes=10_000, max_held_bytes=25_000)
    with serve(create_app(settings)) as client:
        ready(client)
        flying = [connect(client) for _ in range(3)]
        for sock in flying[:2]:
            sock.sendall(b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n" + b"\xff" * 9999)
        taken_in(client, 2)
        assert client.post(URL, content=b"\xff" * 4000).status_code == 400
        refused = client.post(URL, content=b"\xff" * 6000)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "bodies_full")
        assert int(refused.headers["retry-after"]) >= 1
        flying[0].sendall(b"\xff")
        assert read_answer(flying[0])[0] == 400
        assert client.post(URL, content=b"\xff" * 9000).status_code == 400
        for sock in flying:
            sock.close()


def test_a_client_that_leaves_in_the_middle_harms_nobody(
    client: httpx2.Client, taken_in: TakenIn, encode: Encode, picture: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(client) as sock:
        sock.sendall(b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
        taken_in(client, 1)
    assert client.post(URL, content=encode(picture)).status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_connections_are_kept_after_good_answers(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 80, timeout=20)
    for _ in range(3):
        connection.request("POST", URL, body=encode(picture))
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("connection") is None
        response.read()
    connection.close()


def test_connections_are_kept_after_answers_that_come_before_the_body(client: httpx2.Client) -> None:
    with connect(client) as sock:
        for _ in range(3):
            sock.sendall(b"POST /v1/captions?beamsize=1 HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
            status, headers, _ = read_answer(sock)
            assert (status, "connection" in headers) == (422, False)  # the query alone decides it
            sock.sendall(b"\xff" * 100_000)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert read_answer(sock)[0] == 200


@pytest.mark.parametrize(
    "unsure", [b"content-length: 5000000", b"transfer-encoding: chunked", b"content-length: 9\r\nexpect: 100-continue"]
)
def test_but_not_where_more_may_come_than_is_worth_it_or_nothing(client: httpx2.Client, unsure: bytes) -> None:
    with connect(client) as sock:
        sock.sendall(b"POST /v1/captions?beamsize=1 HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % unsure)
        status, headers, _ = read_answer(sock)
    assert (status, headers["connection"]) == (422, "close")


def test_answers_of_any_size_are_whole(serve: Serve, checkpoints: Path) -> None:
    app = create_app(Settings(checkpoints=checkpoints))

    @app.get("/xs")
    def xs(count: int) -> PlainTextResponse:
        return PlainTextResponse("x" * count)

    with serve(app) as client:
        for count in (0, 9, 65_000, 66_000, 5_000_000):
            assert client.get(f"/xs?count={count}").text == "x" * count


def test_the_event_loop_stays_free_while_pictures_are_decoded(client: httpx2.Client, encode: Encode) -> None:
    large = encode(Image.effect_noise((3000, 3000), 64), compress_level=1)  # about 9 MB
    done = threading.Event()
    waits: list[float] = []

    def watch() -> None:
        with httpx2.Client(base_url=client.base_url) as other:
            while not done.is_set():
                began = time.monotonic()
                assert other.get("/healthz").status_code == 200
                waits.append(time.monotonic() - began)

    with ThreadPoolExecutor(5) as pool:
        watcher = pool.submit(watch)
        began = time.monotonic()
        answers = list(pool.map(lambda _: client.post(URL, content=large).status_code, range(4)))
        busy = time.monotonic() - began
        done.set()
        watcher.result()
    assert answers == [200] * 4
    assert busy > 0.2  # there was something to wait for
    assert max(waits) < busy / 2
    assert len(waits) > 10


def test_requests_at_the_same_time_get_their_own_answers(
    client: httpx2.Client, encode: Encode, pictures: list[Image.Image]
) -> None:
    bodies = [encode(picture) for picture in pictures]
    alone = [client.post(URL, content=body).json()["captions"] for body in bodies]
    assert len({str(captions) for captions in alone}) == len(pictures)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda n: client.post(URL, content=bodies[n % 5]).json()["captions"], range(40)))
    for number, captions in enumerate(together):
        (caption,), (expected,) = captions, alone[number % 5]
        assert caption["text"] == expected["text"]
        assert caption["logprob"] == pytest.approx(expected["logprob"], abs=1e-4)


def drip(sock: socket.socket, until: float) -> None:
    """Sends a byte now and then; raises OSError when it is cut off."""
    while time.monotonic() < until:
        sock.sendall(b"1\r\nx\r\n")
        time.sleep(0.02)


def connect(client: httpx2.Client) -> socket.socket:
    """A bare connection to the client's server."""
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20)


def read_answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer with a content-length."""
    file = sock.makefile("rb")
    status = int(file.readline().split()[1])
    headers: dict[str, str] = {}
    while line := file.readline().decode().strip():
        name, _, value = line.partition(": ")
        headers[name] = value
    return status, headers, file.read(int(headers["content-length"]))
