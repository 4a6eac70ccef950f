"""Pictures by their URL, with a small internet of real servers: names, addresses and redirects that lie.

Only the internet itself is replaced: what names mean, and which local server answers at a public address.
"""

import asyncio
import base64
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from app.errors import Refusal
from app.http.fetch import Fetcher, is_public
from app.main import create_app
from app.settings import Settings

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
URL = "/v1/captions"
PUBLIC = "93.184.215.14"
OTHER = "151.101.1.1"
POLL = 0.01
"""Seconds after which a server sees that it is told to stop; by default half of one, which each test would wait."""


class Busy:
    """Counts who is inside at the same time."""

    def __init__(self) -> None:
        self._lock, self._now, self.most = threading.Lock(), 0, 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


class Internet:
    """Names, who answers at which address, and what is to be had there."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        """Name -> what each look-up finds; the last one is found again and again."""
        self.servers: dict[tuple[str, int], int] = {}
        """Address and port -> local port."""
        self.connections: list[tuple[str, int]] = []
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """Path -> status, headers and body."""
        self.busy = Busy()
        self.asked: list[tuple[str, str]] = []
        """Hosts and paths."""

    def site(self) -> ThreadingHTTPServer:
        """A server of these pages, on a local port."""
        internet = self

        class Site(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                internet.asked.append((self.headers["host"], self.path))
                with internet.busy:
                    self.answer()

            def answer(self) -> None:
                status, headers, body = internet.pages.get(self.path, (404, {}, b"no"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):
                    for start in range(0, len(body), 1000):
                        self.wfile.write(body[start : start + 1000])
                        time.sleep(0.2 if "slow" in self.path else 0)

            def log_message(self, *_: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Site)

    def look_up(self, host: str, port: int) -> list[Any]:
        if host not in self.names:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        answers = self.names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    internet = Internet()
    server = internet.site()
    threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True).start()
    for address in (PUBLIC, OTHER):
        internet.servers[address, 80] = server.server_port
    internet.names["pictures.example"] = [[PUBLIC]]
    look_up, connect = asyncio.BaseEventLoop.getaddrinfo, anyio.connect_tcp

    async def getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> Any:
        if host == "127.0.0.1" or host is None:  # the server under test
            return await look_up(self, host, port, **options)
        return internet.look_up(host, port)

    async def connect_tcp(remote_host: str, remote_port: int, **options: Any) -> Any:
        internet.connections.append((remote_host, remote_port))
        if (remote_host, remote_port) not in internet.servers:
            raise ConnectionRefusedError
        return await connect("127.0.0.1", internet.servers[remote_host, remote_port], **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(anyio, "connect_tcp", connect_tcp)
    yield internet
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def service(serve: Serve, ready: Ready, checkpoints: Path) -> Iterator[httpx2.Client]:
    """Shared by all of these tests, each of which has an internet of its own."""
    hosts = ("pictures.example", "*.cdn.example", "rebinding.example", "inside.example", "odd.example:8080")
    settings = Settings(checkpoints=checkpoints, threads=1, url_hosts=hosts, url_seconds=1.5, max_body_bytes=50_000)
    with serve(create_app(settings)) as client:
        ready(client)
        yield client


@pytest.fixture
def client(service: httpx2.Client, internet: Internet) -> httpx2.Client:
    return service


def ask(client: httpx2.Client, url: str) -> httpx2.Response:
    return client.post(URL, json={"image": url})


def refusal(client: httpx2.Client, url: str) -> tuple[int, str]:
    response = ask(client, url)
    error = response.json()["error"]
    assert error["field"] == "image"
    return response.status_code, error["code"]


def test_a_picture_is_fetched_from_a_host_that_is_allowed(
    client: httpx2.Client, internet: Internet, encode: Encode, picture: Image.Image
) -> None:
    data = encode(picture)
    internet.names |= {"a.b.cdn.example": [[PUBLIC]], "odd.example": [[OTHER]]}
    internet.servers[OTHER, 8080] = internet.servers[OTHER, 80]
    for target in ("/a.png?size=%C3%A4&x=1", "/", "/%7Eme/a%20b.png"):
        internet.pages[target] = (200, {"content-type": "text/plain"}, data)
    urls = {
        "http://pictures.example/a.png?size=\u00e4&x=1": ("pictures.example", "/a.png?size=%C3%A4&x=1"),
        "HTTP://Pictures.Example:80": ("pictures.example", "/"),
        "http://a.b.cdn.example/%7Eme/a b.png#top": ("a.b.cdn.example", "/%7Eme/a%20b.png"),
        "http://odd.example:8080/": ("odd.example:8080", "/"),
    }
    expected = client.post(URL, content=data).json()["captions"][0]["text"]
    for url in urls:
        assert ask(client, url).json()["captions"][0]["text"] == expected, url
    assert internet.asked == list(urls.values())
    batch = client.post(f"{URL}/batch", json={"image": [*urls, "http://pictures.example/no.png", "%%%"]})
    assert [result.get("error", {}).get("code") for result in batch.json()["results"]] == [
        *[None] * 4,
        "url_failed",
        "bad_base64",
    ]


def test_so_it_is_in_every_dialect(
    client: httpx2.Client, internet: Internet, encode: Encode, picture: Image.Image
) -> None:
    internet.pages["/a.png"] = (200, {}, encode(picture))
    expected = client.post(URL, content=encode(picture)).json()["captions"][0]["text"]

    def chat(url: str) -> httpx2.Response:
        content = [{"type": "image_url", "image_url": {"url": url}}]
        return client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": content}]})

    url, hidden = "http://pictures.example/a.png", "http://inside.example/a.png"
    assert chat(url).json()["choices"][0]["message"]["content"] == expected
    assert client.post("/models/tiny", json={"inputs": url}).json() == [{"generated_text": expected}]
    prediction = client.post("/model/predict", files={"image": (None, url)}).json()["predictions"][0]
    assert prediction["caption"] == expected
    picture_file = client.post("/v1/pictures", json={"url": url})
    assert (picture_file.content, picture_file.headers["content-type"]) == (encode(picture), "image/png")
    internet.names["inside.example"] = [["10.0.0.1"]]
    error = client.post("/v1/pictures", json={"url": hidden}).json()["error"]
    assert (error["code"], error["field"]) == ("url_not_allowed", "url")
    internet.pages["/page"] = (200, {}, b"<!doctype html><script>1</script>")
    error = client.post("/v1/pictures", json={"url": "http://pictures.example/page"}).json()["error"]
    assert (error["code"], error["field"]) == ("not_an_image", "url")
    error = client.post("/v1/pictures", json={"url": "file:///etc/passwd"}).json()["error"]
    assert (error["code"], error["field"]) == ("url_failed", "url")
    error = chat(hidden).json()["error"]
    assert (error["code"], error["param"]) == ("url_not_allowed", "messages")
    assert client.post("/models/tiny", json={"inputs": hidden}).status_code == 422
    assert internet.asked == [("pictures.example", "/a.png")] * 4 + [("pictures.example", "/page")]


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/",
        "http://cdn.example/",
        "http://evilcdn.example/",
        "http://pictures.example.evil.example/",
        "http://pictures.example:8080/",
        "https://pictures.example:80/",
        "http://odd.example/",
        f"http://{PUBLIC}/",
    ],
)
def test_other_hosts_are_not_asked(client: httpx2.Client, internet: Internet, url: str) -> None:
    internet.names |= {host: [[PUBLIC]] for host in ("elsewhere.example", "cdn.example", "evilcdn.example")}
    assert refusal(client, url) == (422, "url_not_allowed")
    assert internet.connections == []


@pytest.mark.parametrize(
    "url",
    [
        "http://user@pictures.example/",
        "http://pictures.example@evil.example/",
        "http://[::1]/",
        "http:///a.png",
        "http://pictures.example:99999/",
        "http://pictures.example:x/",
        f"http://{'a' * 70}.cdn.example/",
        "https:",
    ],
)
def test_an_odd_url_is_refused(client: httpx2.Client, internet: Internet, url: str) -> None:
    status, code = refusal(client, url)
    assert (status, code) == (422, "url_failed")
    assert internet.connections == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://pictures.example/", "gopher://pictures.example/"])
def test_other_schemes_are_refused(client: httpx2.Client, url: str) -> None:
    assert refusal(client, url) == (422, "url_not_fetched")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["172.16.3.4"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        ["255.255.255.255"],
        ["::1"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::1"],
        ["64:ff9b:1::a00:1"],
        ["fec0::1"],
        ["::7f00:1"],
        ["::ffff:0:127.0.0.1"],
        ["5f00::1"],
        ["3fff::1"],
        ["2001::1"],
        ["2001:db8::1"],
        ["100::1"],
        ["ff0e::1"],
        ["192.0.0.9"],
        ["192.88.99.1"],
        [PUBLIC, "10.0.0.1"],
    ],
)
def test_a_name_of_a_private_address_leads_nowhere(
    client: httpx2.Client, internet: Internet, addresses: list[str]
) -> None:
    internet.names["inside.example"] = [addresses]
    assert refusal(client, "http://inside.example/") == (422, "url_not_allowed")
    assert internet.connections == []


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "2a00:1450::1", "64:ff9b::5db8:d70e"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", ["gopher://example.com:70/", "ftp://example.com:21/", "x:1", "://example.com:80/"])
def test_an_unknown_scheme_with_a_port_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match="not an http or https URL"):
        asyncio.run(Fetcher(Settings(url_hosts=("*",))).fetch(url))


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_in_another_is_seen(address: Any) -> None:
    number = int(address)
    wrapped = (f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}")
    for one in wrapped:
        assert is_public(one) == is_public(str(address)) or not is_public(one)
    if not is_public(str(address)):
        assert not is_public(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")


def test_a_name_that_changes_its_mind_is_connected_to_what_was_looked_at(
    client: httpx2.Client, internet: Internet, encode: Encode, picture: Image.Image
) -> None:
    internet.names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
    internet.pages["/"] = (200, {}, encode(picture))
    assert ask(client, "http://rebinding.example/").status_code == 200
    assert internet.connections == [(PUBLIC, 80)]
    assert refusal(client, "http://rebinding.example/") == (422, "url_not_allowed")
    assert internet.connections == [(PUBLIC, 80)]


def test_redirects_are_held_to_the_same_rules(
    client: httpx2.Client, internet: Internet, encode: Encode, picture: Image.Image
) -> None:
    internet.names |= {
        "images.cdn.example": [[OTHER]],
        "inside.example": [["169.254.169.254"]],
        "rebinding.example": [[PUBLIC], ["127.0.0.1"]],
    }
    internet.pages |= {
        "/moved": (301, {"location": "http://images.cdn.example/there"}, b""),
        "/there": (307, {"location": "/picture?a=b"}, b"x" * 5000),
        "/picture?a=b": (200, {}, encode(picture)),
        "/round": (302, {"location": "/round"}, b""),
        "/inside": (302, {"location": "http://inside.example/latest/meta-data/"}, b""),
        "/local": (302, {"location": "http://127.0.0.1/"}, b""),
        "/elsewhere": (302, {"location": "//elsewhere.example/"}, b""),
        "/file": (302, {"location": "file:///etc/passwd"}, b""),
        "/gopher": (302, {"location": "gopher://pictures.example:70/"}, b""),
        "/again": (302, {"location": "http://rebinding.example/again"}, b""),
        "/nowhere": (302, {}, b""),
    }
    assert ask(client, "http://pictures.example/moved").status_code == 200
    assert internet.connections == [(PUBLIC, 80), (OTHER, 80), (OTHER, 80)]
    expected = {
        "/round": "url_failed",
        "/inside": "url_not_allowed",
        "/local": "url_not_allowed",
        "/elsewhere": "url_not_allowed",
        "/file": "url_failed",
        "/gopher": "url_failed",
        "/nowhere": "url_failed",
    }
    for path, code in expected.items():
        assert refusal(client, f"http://pictures.example{path}") == (422, code), path
    assert refusal(client, "http://rebinding.example/again") == (422, "url_not_allowed")
    assert {address for address, _ in internet.connections} == {PUBLIC, OTHER}


def test_what_is_there_has_limits(client: httpx2.Client, internet: Internet) -> None:
    internet.pages |= {
        "/large": (200, {"content-length": "60000"}, b"\xff" * 60_000),
        "/endless": (200, {}, b"\xff" * 500_000),
        "/slow": (200, {}, b"\xff" * 40_000),
        "/zipped": (200, {"content-encoding": "gzip"}, b"\x1f\x8b"),
        "/short": (200, {"content-length": "5000"}, b"\xff" * 100),
        "/text": (200, {}, b"no picture"),
        "/empty": (200, {}, b""),
    }
    expected = {
        "/large": (413, "body_too_large"),
        "/endless": (413, "body_too_large"),
        "/slow": (422, "url_failed"),
        "/zipped": (422, "url_failed"),
        "/short": (422, "url_failed"),
        "/missing": (422, "url_failed"),
        "/text": (400, "not_an_image"),
        "/empty": (400, "empty_image"),
    }
    began = time.monotonic()
    for path, wanted in expected.items():
        assert refusal(client, f"http://pictures.example{path}") == wanted, path
    assert time.monotonic() - began < 6
    assert refusal(client, "https://pictures.example/") == (422, "url_failed")  # nobody listens there
    assert refusal(client, "http://unknown.cdn.example/") == (422, "url_failed")


def test_the_next_address_is_tried_when_one_does_not_answer(
    client: httpx2.Client, internet: Internet, encode: Encode, picture: Image.Image
) -> None:
    internet.names["pictures.example"] = [["8.8.8.8", PUBLIC]]
    internet.pages["/"] = (200, {}, encode(picture))
    assert ask(client, "http://pictures.example").status_code == 200
    assert internet.connections == [("8.8.8.8", 80), (PUBLIC, 80)]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on the PATH, to make a certificate with")
def test_certificates_are_checked_against_the_name(
    internet: Internet,
    serve: Serve,
    ready: Ready,
    checkpoints: Path,
    encode: Encode,
    picture: Image.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    names = ["-addext", "subjectAltName=DNS:pictures.example"]
    command = ["openssl", "req", "-x509", *options, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = internet.site()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True).start()
    internet.servers[PUBLIC, 443] = server.server_port
    internet.names["other.example"] = [[PUBLIC]]
    internet.pages["/"] = (200, {}, encode(picture))
    settings = Settings(checkpoints=checkpoints, threads=1, url_hosts=("pictures.example", "other.example"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve(create_app(settings)) as client:
        ready(client)
        assert ask(client, "https://pictures.example/").status_code == 200
        assert refusal(client, "https://other.example/") == (422, "url_failed")
    server.shutdown()
    server.server_close()


def test_hosts_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().url_hosts == ()
    monkeypatch.setenv("RECAP_URL_HOSTS", "pictures.example, *.cdn.example:8080,")
    assert Settings().url_hosts == ("pictures.example", "*.cdn.example:8080")
    monkeypatch.setenv("RECAP_URL_HOSTS", "https://pictures.example")
    with pytest.raises(ValidationError, match="url_hosts"):
        Settings()


def test_any_public_host_may_be_allowed(
    internet: Internet, serve: Serve, ready: Ready, checkpoints: Path, encode: Encode, picture: Image.Image
) -> None:
    internet.names |= {"anywhere.example": [[PUBLIC]], "inside.example": [["10.1.2.3"]]}
    internet.pages["/"] = (200, {}, encode(picture))
    data = base64.b64encode(encode(picture)).decode()
    with serve(create_app(Settings(checkpoints=checkpoints, threads=1, url_hosts=("*",)))) as client:
        ready(client)
        for image in ("http://anywhere.example", f"http://{PUBLIC}/", data, f"data:image/png;base64,{data}"):
            assert ask(client, image).status_code == 200
        for image in ("http://inside.example", "http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/"):
            assert refusal(client, image)[0] == 422
        assert refusal(client, "http://anywhere.example:81/") == (422, "url_not_allowed")
    assert {address for address, _ in internet.connections} == {PUBLIC}


@pytest.fixture
def narrow(
    internet: Internet, serve: Serve, ready: Ready, checkpoints: Path
) -> Iterator[tuple[httpx2.Client, FastAPI]]:
    """A server with room for two pictures of 40 kB."""
    settings = Settings(
        checkpoints=checkpoints,
        threads=1,
        url_hosts=("pictures.example",),
        max_body_bytes=50_000,
        max_batch_bytes=50_000,
        max_held_bytes=100_000,
        picture_queue=4,
        batch_size=4,
    )
    app = create_app(settings)
    with serve(app) as client:
        ready(client)
        yield client, app


def test_pictures_of_a_batch_are_fetched_as_they_are_decoded(
    narrow: tuple[httpx2.Client, FastAPI], internet: Internet, encode: Encode, picture: Image.Image
) -> None:
    client, _ = narrow
    small = encode(picture)
    internet.pages["/"] = (200, {}, small + bytes(40_000 - len(small)))
    internet.pages["/missing"] = (404, {}, b"")
    urls = ["http://pictures.example/"] * 12
    results = client.post(f"{URL}/batch", json={"image": [*urls, "http://pictures.example/missing"]}).json()["results"]
    assert ["captions" in result for result in results] == [True] * 12 + [False]
    assert results[-1]["error"]["code"] == "url_failed"
    assert len(internet.asked) == 13
    assert internet.busy.most <= 2


def test_fetched_pictures_count_as_held_until_they_are_let_go(
    narrow: tuple[httpx2.Client, FastAPI], internet: Internet, encode: Encode, picture: Image.Image, wait_for: Any
) -> None:
    client, app = narrow
    worker = app.state.engine.worker(app.state.engine.get("tiny"))
    small = encode(picture)
    internet.pages["/"] = (200, {}, small + bytes(40_000 - len(small)))
    with ThreadPoolExecutor(2) as pool:
        with app.state.engine.pause():
            waiting = [pool.submit(ask, client, "http://pictures.example/") for _ in range(2)]
            wait_for(lambda: worker.pending == 2)
            wait_for(lambda: ask(client, "http://pictures.example/").json()["error"]["code"] == "bodies_full")
        assert [one.result().status_code for one in waiting] == [200, 200]
    assert ask(client, "http://pictures.example/").status_code == 200
    internet.pages["/"] = (404, {}, b"")
    for _ in range(5):
        assert refusal(client, "http://pictures.example/") == (422, "url_failed")


def test_room_is_asked_for_all_pictures_before_any_is_fetched(
    narrow: tuple[httpx2.Client, FastAPI], internet: Internet, encode: Encode, picture: Image.Image, wait_for: Any
) -> None:
    client, app = narrow
    engine = app.state.engine
    worker = engine.worker(engine.get("tiny"))
    with ThreadPoolExecutor(1) as pool:
        with engine.pause():
            waiting = pool.submit(client.post, URL, content=encode(picture))
            wait_for(lambda: worker.pending == 1)
            refused = client.post(f"{URL}/batch", json={"image": ["http://pictures.example/"] * 12})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
        assert waiting.result().status_code == 200
    assert internet.asked == []
