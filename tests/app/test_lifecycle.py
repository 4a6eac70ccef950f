"""`recap serve` as a process: told to stop while it works, asked slowly, given broken checkpoints."""

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import httpx2
import pytest
from PIL import Image

from app.commands.serve import listen
from app.http.server import Server
from app.main import create_app
from app.settings import Settings
from tests.forks import Forked, recap, recap_that_holds_on, recap_with_few_files

COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "0"]
START = partial(Forked, recap)
Ready = Callable[[httpx2.Client], None]
TakenIn = Callable[[httpx2.Client, int], None]
Serve = Callable[..., AbstractContextManager[httpx2.Client]]
URL = "/v1/captions"
LOGGED = {"event", "level", "logger", "timestamp"}
"""What each line of the log has."""


@contextmanager
def serving(
    checkpoints: Path, start: Callable[..., Forked] = START, **settings: object
) -> Iterator[tuple[Forked, httpx2.Client]]:
    """A process that is ready, and a client of it."""
    environment = {f"RECAP_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"RECAP_CHECKPOINTS": str(checkpoints), "RECAP_THREADS": "1"}
    with start("serve", "--port", "0", **environment) as process:
        try:
            with httpx2.Client(base_url=address(process.stderr), timeout=30) as client:
                yield process, client
        finally:
            process.kill()


def address(log: IO[str]) -> str:
    """The address of a server, once its log has said that it is ready."""
    told = ""
    while "serving tiny" not in told or "http://" not in told:
        line = log.readline()
        assert json.loads(line or "{}").keys() >= LOGGED, told + line
        told += line
    return "http://" + told.partition("http://")[2].split()[0].strip('",')


def test_its_event_loop_is_the_one_that_is_tested(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uvloop.py").write_text("raise RuntimeError('this loop is not the one that is tested')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    environment = os.environ | {"RECAP_CHECKPOINTS": str(checkpoints), "RECAP_THREADS": "1"}
    with subprocess.Popen(COMMAND, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        assert httpx2.get(f"{address(process.stderr)}/healthz").status_code == 200
        process.kill()


@pytest.mark.parametrize(("keys", "warned"), [("", True), (" , ", True), ("0" * 64, False), (None, False)])
def test_an_empty_list_of_keys_is_warned_of(checkpoints: Path, keys: str | None, warned: bool) -> None:
    environment = {"RECAP_CHECKPOINTS": str(checkpoints), "RECAP_THREADS": "1"}
    environment |= {} if keys is None else {"RECAP_API_KEYS": keys}
    with Forked(recap, "serve", "--port", "0", **environment) as process:
        first = json.loads(process.stderr.readline())
        process.kill()
    assert (first["level"] == "warning" and "RECAP_API_KEYS is set, but empty" in first["event"]) is warned


def begin(client: httpx2.Client, body: bytes) -> socket.socket:
    """A connection over which all of a request but its last byte has been sent."""
    sock = socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=30)
    sock.sendall(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (URL.encode(), len(body)) + body[:-1])
    return sock


def answer(sock: socket.socket) -> tuple[int, bytes]:
    """Status and body, of an answer that closes its connection."""
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_what_is_in_flight_is_finished_and_what_is_new_refused(
    checkpoints: Path, taken_in: TakenIn, encode: Callable[..., bytes], pictures: list[Image.Image]
) -> None:
    with serving(checkpoints) as (process, client):
        bodies = [encode(picture) for picture in pictures]
        texts = [client.post(URL, content=body).json()["captions"][0]["text"] for body in bodies]
        flying = [begin(client, bodies[number % 5]) for number in range(50)]
        taken_in(client, 50)
        process.send_signal(signal.SIGTERM)
        with httpx2.Client(base_url=client.base_url) as stranger:
            until = time.monotonic() + 10
            while (ready := stranger.get("/readyz")).status_code == 200:
                assert time.monotonic() < until
            assert (ready.status_code, ready.json()["error"]["code"]) == (503, "draining")
            assert stranger.get("/healthz").status_code == 200
            refused = stranger.post(URL, content=bodies[0])
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
        assert refused.headers["connection"] == "close"
        assert process.poll() is None
        for number, sock in enumerate(flying):
            sock.sendall(bodies[number % 5][-1:])
        for number, sock in enumerate(flying):
            status, body = answer(sock)
            assert status == 200
            assert json.loads(body)["captions"][0]["text"] == texts[number % 5]
            sock.close()
        assert process.wait(20) == 0
        log = [json.loads(line) for line in process.stderr]
    assert all(entry.keys() >= LOGGED for entry in log)
    assert sum(entry["logger"] == "recap.access" for entry in log) >= len(bodies) + len(flying) + 3
    assert not any("exception" in entry for entry in log)


ENDLESS = {"prompt": "A", "max_tokens": 100_000, "n": 20, "stream": True}


def test_what_takes_too_long_ends_with_an_error(both_checkpoints: Path, encode: Callable[..., bytes]) -> None:
    with serving(both_checkpoints, drain_seconds=1) as (process, client):
        with (
            begin(client, encode(Image.new("RGB", (8, 8)))) as sock,
            client.stream("POST", "/v1/completions", json=ENDLESS) as response,
        ):
            lines = response.iter_lines()
            assert next(lines)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            rest = [line for line in lines if line]
            sock.sendall(b"\x82")
            assert answer(sock)[0] == 503
        assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "draining"
        assert process.wait(20) == 0
        assert 1 < time.monotonic() - began < 4
        assert not any("exception" in json.loads(line) for line in process.stderr)


def test_told_twice_it_hurries(checkpoints: Path, serve: Serve, ready: Ready, taken_in: TakenIn) -> None:
    application = create_app(Settings(checkpoints=checkpoints, threads=1))
    server = Server(application)
    with serve(application, server=server) as client:
        ready(client)
        sock = begin(client, b"xx")
        taken_in(client, 1)
        server.handle_exit(signal.SIGINT, None)
        time.sleep(0.5)
        assert client.get("/healthz").status_code == 200
        assert not server.should_exit
        server.handle_exit(signal.SIGINT, None)
        began = time.monotonic()
        with sock:
            assert answer(sock)[0] == 503  # its last byte never came
        assert time.monotonic() - began < 10  # much less than it would have waited


def test_two_signals_take_no_longer_than_one(both_checkpoints: Path) -> None:
    """The one is what the test above measures: all of `drain_seconds`."""
    with (
        serving(both_checkpoints, drain_seconds=15) as (process, client),
        client.stream("POST", "/v1/completions", json=ENDLESS) as response,
    ):
        lines = response.iter_lines()
        assert next(lines)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        while client.get("/readyz").status_code == 200:
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 3


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGHUP arrives in processes that are started, also where it is ignored, as under nohup."""
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, inherited)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("sig", "moments"),
    [(signal.SIGTERM, (0.5, 1.2)), (signal.SIGINT, (0.6, 1.6)), (signal.SIGHUP, (0.8, 2.0))],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_it_stops_at_any_moment_of_its_start(
    checkpoints: Path, sig: signal.Signals, moments: tuple[float, float]
) -> None:
    """Each signal early and late, and none at the moment of another: one handler takes them all."""
    environment = os.environ | {"RECAP_CHECKPOINTS": str(checkpoints)}
    for seconds in moments:
        command = [sys.executable, "-m", "recap", "serve", "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            time.sleep(seconds)
            process.send_signal(sig)
            assert process.wait(10) == 0
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()


def test_a_closed_terminal_lets_it_finish_and_log_rotation_does_nothing(
    checkpoints: Path, encode: Callable[..., bytes], picture: Image.Image
) -> None:
    body = encode(picture)
    with serving(checkpoints) as (process, client), begin(client, body) as flying:
        for sig in (signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(sig)
        assert client.post(URL, content=body).status_code == 200
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
        while client.get("/readyz").status_code == 200:
            pass
        flying.sendall(body[-1:])
        assert answer(flying)[0] == 200
        assert process.wait(20) == 0


@pytest.mark.parametrize("lock", [False, True])
def test_it_is_gone_whatever_its_threads_do(checkpoints: Path, lock: bool) -> None:
    with serving(checkpoints, partial(Forked, recap_that_holds_on, lock), drain_seconds=1) as (process, _):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == (1 if lock else 0)  # the interpreter's lock keeps it from saying good-bye
        assert time.monotonic() - began < 8
        log = process.stderr.read()
    assert ("Timeout" in log) == lock
    assert ("Finished server process" in log) != lock


def test_an_address_that_is_taken_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, reason in (
            (["--port", f"{port}"], f"error: host 127.0.0.1, port {port}: Address already in use; "),
            (["--host", "192.0.2.1"], "error: host 192.0.2.1, port 0: Cannot assign requested address; "),
            (["--host", "x" * 70], f"error: host {'x' * 70}, port 0: the host's name can't be resolved; "),
        ):
            # Where there are no checkpoints either, the address comes first.
            with START("serve", "--port", "0", *options, "--checkpoints", str(tmp_path)) as process:
                told = process.stderr.read()
            assert (process.poll(), told[: len(reason)]) == (2, reason)


def test_descriptors_are_taken_as_far_as_they_are_allowed(checkpoints: Path) -> None:
    with serving(checkpoints, partial(Forked, recap_with_few_files, 512)) as (_, client), ExitStack() as silent:
        for _ in range(200):
            silent.enter_context(socket.create_connection((client.base_url.host, client.base_url.port or 80)))
        assert client.get("/healthz").status_code == 200
        assert "process_max_fds 512.0" in client.get("/metrics").text


def test_it_answers_newcomers_when_descriptors_run_out(
    checkpoints: Path, taken_in: TakenIn, encode: Callable[..., bytes], picture: Image.Image
) -> None:
    body, start = encode(picture), partial(Forked, recap_with_few_files, 64)
    with serving(checkpoints, start) as (process, client), ExitStack() as silent, begin(client, body) as flying:
        place = (client.base_url.host, client.base_url.port or 80)
        taken_in(client, 1)
        began = time.monotonic()
        for _ in range(3):
            for _ in range(60):
                silent.enter_context(socket.create_connection(place, timeout=20))
            with httpx2.Client(base_url=client.base_url, timeout=10) as stranger:
                assert stranger.get("/healthz").status_code == 200
        seconds = time.monotonic() - began
        flying.sendall(body[-1:])  # those without a request have gone before it
        assert flying.recv(12) == b"HTTP/1.1 200"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr.read().count("can't be accepted") <= seconds + 2


def test_a_head_that_does_not_come_is_not_waited_for(checkpoints: Path, serve: Serve, ready: Ready) -> None:
    with serve(create_app(Settings(checkpoints=checkpoints, threads=1, receive_seconds=1))) as client:
        ready(client)
        place = (client.base_url.host, client.base_url.port or 80)
        silent, slow, again = (socket.create_connection(place, timeout=20) for _ in range(3))
        again.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        received = b""
        while not received.endswith(b"}"):
            received += again.recv(1000)
        began = time.monotonic()
        for sock in (slow, again):
            sock.sendall(b"GET /healthz HT")
        time.sleep(0.7)
        for sock in (slow, again):
            sock.sendall(b"T")
        for sock in (silent, slow, again):
            with sock:
                assert sock.recv(1000) == b""
        assert 0.5 < time.monotonic() - began < 4
        assert client.get("/healthz").status_code == 200
        for _ in range(3):  # connections that are used are kept
            time.sleep(0.5)
            assert client.get("/healthz").status_code == 200


GET, POST = b"GET /healthz HTTP/1.1\r\n", b"POST /v1/captions HTTP/1.1\r\n"
CHUNKS = b"transfer-encoding: chunked\r\n"
NO_REQUESTS = {
    "a long header": GET + b"host: x\r\nx: " + b"y" * 400_000,
    "many headers": GET + b"host: x\r\n" + b"x: y\r\n" * 80_000,
    "a long head at once": GET + b"host: x\r\nx: " + b"y" * 33_000 + b"\r\n\r\n",
    "a long path": b"GET /" + b"x" * 400_000,
    "many trailers": POST + b"host: x\r\n" + CHUNKS + b"\r\n0\r\n" + b"x: y\r\n" * 80_000,
    "no host": GET + b"\r\n",
    "two hosts": GET + b"host: x\r\nhost: y\r\n\r\n",
    "no name": GET + b"host: x\r\nx\xff y: z\r\n\r\n",
    "no value": GET + b"host: x\r\nx: \0\r\n\r\n",
    "two lengths": POST + b"host: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
    "a negative length": POST + b"host: x\r\ncontent-length: -4\r\n\r\nabcde",
    "a length, and chunks": POST + b"host: x\r\ncontent-length: 4\r\n" + CHUNKS + b"\r\n0\r\n\r\n",
    "an unknown coding": POST + b"host: x\r\ntransfer-encoding: chunked, x\r\n\r\n0\r\n\r\n",
    "an unknown method": b"BREW /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
}


def test_what_is_no_request_is_refused(client: httpx2.Client) -> None:
    for what, data in NO_REQUESTS.items():
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as sock:
            sock.sendall(data)
            assert answer(sock)[0] == 400, what
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(("seconds", "number"), [(0.2, 10_000_000), (60.0, 100_000)])
def test_what_is_no_request_is_not_read_on_for_ever(
    checkpoints: Path, serve: Serve, ready: Ready, monkeypatch: pytest.MonkeyPatch, seconds: float, number: int
) -> None:
    monkeypatch.setattr("app.http.connection.LINGER_SECONDS", seconds)
    monkeypatch.setattr("app.http.connection.LINGER_BYTES", number)
    with serve(create_app(Settings(checkpoints=checkpoints, threads=1))) as client:
        ready(client)
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as sock:
            sock.sendall(b"GET /" + b"x" * 35_000)
            assert answer(sock)[0] == 400
            with pytest.raises(OSError, match=r"reset|Broken"):
                dawdle(sock)


def dawdle(sock: socket.socket) -> None:
    """Sends up to 5 MB in 5 s or more."""
    for _ in range(5000):
        sock.sendall(b"y" * 1000)
        time.sleep(0.001)


def test_the_garbage_collector_leaves_alone_what_is_there_for_good(checkpoints: Path) -> None:
    application = create_app(Settings(checkpoints=checkpoints))
    server = Server(application)
    gc.unfreeze()  # what other tests' servers have frozen
    gc.disable()  # as the command does
    try:
        asyncio.run(server.on_tick(0))
        assert gc.get_freeze_count() == 0  # not while it loads
        application.state.engine.settled = True
        asyncio.run(server.on_tick(1))
        assert gc.get_freeze_count() > 10_000
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


def test_a_broken_checkpoint_stops_the_start(tiny_checkpoint: Path) -> None:
    file = tiny_checkpoint / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with Forked(recap, "serve", "--port", "0", "--checkpoints", str(tiny_checkpoint.parent)) as process:
        errors = process.stderr.read()
    assert process.poll() == 2
    assert errors.splitlines()[-1].startswith(f"error: {file}: sha256 is")
    assert "Traceback" not in errors


def test_no_part_of_an_answer_waits_for_an_acknowledgement() -> None:
    (listener,) = listen("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
