"""A server in a process of its own, and the least of a client, for the benchmarks that load it."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from select import select
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "docs" / "photo.jpg"
URL = "/v1/captions"

_kept: dict[int, list[socket.socket]] = {}
"""Connections that servers have left open, by the port."""


@dataclass(frozen=True)
class Service:
    """Where it listens, and its process."""

    process: subprocess.Popen[bytes]
    port: int

    def memory(self) -> float:
        """Resident, in MB, with that of its children."""
        return resident(self.process.pid)


@dataclass(frozen=True)
class Answer:
    """An answer to a request. Status 0: the connection ended without one."""

    status: int
    began: float
    ended: float
    """Seconds, by `time.perf_counter`."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def seconds(self) -> float:
        """Time from the request to its end."""
        return self.ended - self.began


def resident(pid: int) -> float:
    """Resident memory of a process and of its children, in MB; 0 once it has gone."""
    place = Path(f"/proc/{pid}")
    with suppress(OSError, IndexError):  # it ends while it is looked at
        kilobytes = int((place / "status").read_text(encoding="utf-8").partition("VmRSS:")[2].split()[0])
        children = [child for file in place.glob("task/*/children") for child in file.read_text("ascii").split()]
        return kilobytes / 1000 + sum(resident(int(child)) for child in children)
    return 0.0


@contextmanager
def serving(
    checkpoints: Path, *, before: str = "", log: IO[bytes] | None = None, **settings: object
) -> Iterator[Service]:
    """A server that is ready.

    Args:
        checkpoints: the folder of its models.
        before: Python that its process runs first.
        log: a file for what it prints.
        settings: those besides the defaults.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    given = {"checkpoints": checkpoints, "port": port, "log_level": "warning", **settings}
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | {f"RECAP_{name.upper()}": str(given[name]) for name in given}
    command = [sys.executable, "-c", f"{before}\nfrom app.cli import main; main()", "serve"]
    with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
        try:
            while not is_ready(port):
                if process.poll() is not None:
                    raise SystemExit("the server did not start")
                time.sleep(0.1)
            yield Service(process, port)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            for sock in _kept.pop(port, []):
                sock.close()


def is_ready(port: int) -> bool:
    """True if a server on this port accepts requests."""
    with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
        return bool(answer.status == 200)
    return False


async def ask(port: int, body: bytes = b"", *, path: str = URL, request_id: str = "", content_type: str = "") -> Answer:
    """A request: a POST, or a GET where there is no body. Connections are kept, as proxies and load generators do."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    head += f"x-request-id: {request_id}\r\n" if request_id else ""
    head += f"content-type: {content_type}\r\n" if content_type else ""
    began = time.perf_counter()
    status, content = 0, b""
    headers: dict[str, str] = {}
    with suppress(OSError, EOFError, ValueError, IndexError):
        sock = await _connection(port)
        try:
            with suppress(ConnectionError):  # refused before all was sent; there may be an answer
                await asyncio.get_running_loop().sock_sendall(sock, head.encode() + b"\r\n" + body)
            status, headers, content = await _answer(sock)
        finally:
            if status and headers.get("connection") != "close":
                _kept[port].append(sock)
            else:
                sock.close()
    return Answer(status, began, time.perf_counter(), headers, content)


async def closed_loop(port: int, body: bytes, *, seconds: float, clients: int, content_type: str = "") -> list[Answer]:
    """Answers to clients that each ask again as soon as they have one."""
    until = time.perf_counter() + seconds

    async def client() -> list[Answer]:
        answers = []
        while time.perf_counter() < until:
            answers.append(await ask(port, body, content_type=content_type))
        return answers

    return list(chain(*await asyncio.gather(*(client() for _ in range(clients)))))


async def open_loop(
    port: int, body: bytes, *, seconds: float, rate: float, content_type: str = ""
) -> dict[str, Answer]:
    """Answers by their request's id, to requests that come at a rate, whatever the answers do."""
    began = time.perf_counter()
    answers: dict[str, Answer] = {}

    async def request(name: str) -> None:
        answers[name] = await ask(port, body, request_id=name, content_type=content_type)

    async with asyncio.TaskGroup() as tasks:
        for number in range(max(1, round(seconds * rate))):
            await asyncio.sleep(began + number / rate - time.perf_counter())
            tasks.create_task(request(f"request-{number}"))
    return answers


async def _connection(port: int) -> socket.socket:
    """A socket alone, since streams take twice the time, of the processor on which the server is as well."""
    kept = _kept.setdefault(port, [])
    while kept:
        sock = kept.pop()
        if not select([sock], [], [], 0)[0]:
            return sock
        sock.close()  # all that may have come is the connection's end
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def _answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, which is as it came where it came in chunks."""
    content = b""
    while b"\r\n\r\n" not in content:
        content += await _received(sock)
    top, _, content = content.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    # The server may listen on, to what it has refused, so the end of the answer is not that of the connection.
    length = int(headers.get("content-length", -1))
    while not content.endswith(b"0\r\n\r\n") if length < 0 else len(content) < length:
        content += await _received(sock)
    return int(first.split()[1]), headers, content


async def _received(sock: socket.socket) -> bytes:
    data = await asyncio.get_running_loop().sock_recv(sock, 65_536)
    if not data:
        raise EOFError
    return data


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0
