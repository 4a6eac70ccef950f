"""Connections: answers that are not read, clients that have said all, and compressed bodies."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from fastapi.responses import PlainTextResponse
from PIL import Image

from app.main import create_app
from app.settings import Settings

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[..., AbstractContextManager[httpx2.Client]]
Wait = Callable[[Callable[[], bool]], None]
URL = "/v1/captions"
GET = b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER = 8_000_000


def connect(client: httpx2.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20)


def unread(client: httpx2.Client, path: bytes) -> socket.socket:
    """A connection that has asked, and takes no more than a little of the answer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(20)
    sock.connect((client.base_url.host, client.base_url.port or 80))
    sock.sendall(GET % path)
    return sock


def everything(sock: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    found = b""
    try:
        while piece := sock.recv(1_000_000):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.fixture(scope="module")
def impatient(serve: Serve, ready: Ready, checkpoints: Path) -> Iterator[httpx2.Client]:
    """A client of a server with large answers, which half a second must suffice for, and room for one of them."""
    settings = Settings(
        checkpoints=checkpoints,
        threads=1,
        receive_seconds=0.5,
        receive_rate=4_000,
        max_body_bytes=10_000,
        max_batch_bytes=10_000,
        max_held_bytes=500_000,
    )
    app = create_app(settings)

    @app.get("/large")
    def large(count: int = ANSWER) -> PlainTextResponse:
        return PlainTextResponse("x" * count)

    with serve(app, send_buffer=8192) as client:
        ready(client)
        yield client


def test_answer_that_nobody_reads_counts_as_held_and_is_given_up(impatient: httpx2.Client, wait_for: Wait) -> None:
    with unread(impatient, b"/large") as sock:
        began = time.monotonic()
        wait_for(lambda: impatient.post(URL, content=b"\xff").status_code == 429)
        assert impatient.post(URL, content=b"\xff").json()["error"]["code"] == "bodies_full"
        wait_for(lambda: impatient.post(URL, content=b"\xff").status_code == 400)
        assert 0.4 < time.monotonic() - began < 10
        wait_for(lambda: "recap_requests_in_flight 1.0" in impatient.get("/metrics").text)
        assert len(everything(sock)) < ANSWER


def test_answer_that_is_read_slowly_but_steadily_is_whole(impatient: httpx2.Client) -> None:
    with unread(impatient, b"/large") as sock:
        found, began = 0, time.monotonic()
        while time.monotonic() - began < 1.5:  # three times what a client has that takes nothing
            found += len(sock.recv(20_000))
            time.sleep(0.01)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        rest = everything(sock)
    assert found + len(rest) > ANSWER
    assert rest.endswith(b'{"status":"ok"}')


def test_answer_is_whole_in_pieces(impatient: httpx2.Client) -> None:
    count = 1_500_000  # the network takes a few kilobytes at a time
    assert impatient.get(f"/large?count={count}").text == "x" * count


def test_client_that_has_said_all_is_answered(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    data = encode(picture)
    post = b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)
    for request in (GET % b"/healthz", GET % b"/v1/models", post, post + post):
        with connect(client) as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            began = time.monotonic()
            answers = everything(sock)
        assert answers.count(b"HTTP/1.1 200 OK") == (2 if request == post + post else 1), answers[:200]
        assert answers.endswith(b"}")
        assert time.monotonic() - began < 1.9  # the connection ends with the answer


@pytest.mark.usefixtures("soon_missed")
def test_client_that_leaves_before_it_has_said_all_is_let_go(client: httpx2.Client) -> None:
    for request in (b"GET / HT", b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc"):
        with connect(client) as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            began = time.monotonic()
            assert b"200 OK" not in everything(sock)
        assert time.monotonic() - began < 8


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "several members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(b"") + gzip.compress(data[9:])),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "identity": ("identity", lambda data: data),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_compressed_body_is_read(
    client: httpx2.Client, text_client: httpx2.Client, encode: Encode, picture: Image.Image, packer: str
) -> None:
    coding, pack = PACKERS[packer]
    headers = {"content-encoding": coding}
    large = encode(Image.new("RGB", (2000, 2000)), "BMP")  # 12 MB, which become a few kB
    for data in (encode(picture), large):
        plain, packed = client.post(URL, content=data), client.post(URL, content=pack(data), headers=headers)
        assert (packed.status_code, packed.json()["captions"]) == (200, plain.json()["captions"])
    packed = text_client.post("/v1/completions", content=pack(b'{"max_tokens": 3}'), headers=headers)
    assert packed.json()["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize(
    ("coding", "body", "status", "code"),
    [
        ("br", b"x", 415, "unsupported_media_type"),
        ("zstd", b"x", 415, "unsupported_media_type"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x")), 415, "unsupported_media_type"),
        ("gzip", b"no gzip", 400, "bad_encoding"),
        ("deflate", b"\xff\xff\xff", 400, "bad_encoding"),
        ("gzip", gzip.compress(b"x" * 1000)[:-4], 400, "bad_encoding"),
        ("gzip", gzip.compress(bytes(20_000_001)), 413, "body_too_large"),
        ("deflate", zlib.compress(bytes(200_000_000)), 413, "body_too_large"),
        ("gzip", gzip.compress(b"") * 10_000, 400, "empty_image"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_body_that_can_not_be_inflated_says_why(
    client: httpx2.Client, coding: str, body: bytes, status: int, code: str
) -> None:
    answer = client.post(URL, content=body, headers={"content-encoding": coding})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_others_are_answered_while_a_body_is_inflated(client: httpx2.Client) -> None:
    bomb = gzip.compress(bytes(90_000_000))
    waits: list[float] = []
    done = threading.Event()

    def watch() -> None:
        with httpx2.Client(base_url=client.base_url) as other:
            while not done.is_set():
                began = time.monotonic()
                assert other.get("/healthz").status_code == 200
                waits.append(time.monotonic() - began)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    answer = client.post("/v1/captions/batch", content=bomb, headers={"content-encoding": "gzip"})
    busy = time.monotonic() - began
    done.set()
    watcher.join()
    assert answer.json()["results"][0]["error"]["code"] == "not_an_image"
    assert len(waits) > 3
    assert sorted(waits)[len(waits) // 2] < busy / 2
