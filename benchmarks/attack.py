"""Does to the service what one hostile or unlucky client can do, and tells what the others notice of it.

python benchmarks/attack.py [NAME ...] [--seconds 60] [--list] [--checkpoints FOLDER]

Each shape is sent alone, to a server with the default limits. A NAME takes all shapes that have it in theirs: honest,
"of a JPEG", batch:. As `crowd`, eight clients send the worst in turn for --seconds, beside one that asks for captions.
Without a name all is tried, for half an hour. Exits 1 if a bar is missed; what misses one is marked.
"""

import argparse
import asyncio
import http.client
import json
import math
import os
import platform
import resource
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, MutableSequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from subprocess import TimeoutExpired

from hostile import BATCH, FORM, HONEST, MEGABYTE, PICTURES, ROUTES, UPLOAD, File, batch_of, bodies, encoded
from service import PHOTO, ROOT, URL, Service, ask, open_loop, quantile, resident, serving

PATIENCE = 60.0
"""Seconds after which a client gives up; the deadline of a picture is 30."""
CLIENTS = 8
RATE = 10.0
"""Captions a second that are asked for beside the crowd."""
BARS = {"/healthz ms": 300.0, "grew MB": 400.0, "stayed MB": 50.0, "log MB": 1.0, "gone s": 10.0}
"""Figure -> the most that it may be."""
CROWD_BARS = {"/healthz ms": 300.0, "grew MB": 400.0, "stayed MB": 50.0, "p99 ms": 1000.0, "lost": 0.0}
READ = frozenset((200,))
JSON = "application/json"

SPAWN = get_context("spawn")
held: list[socket.socket] = []
"""Connections that shapes leave open, until what stays has been measured."""


@dataclass(frozen=True)
class Shape:
    """Something that a client may do."""

    send: Callable[[int, bytes], Awaitable[int]]
    """Port and body -> status of the answer; 0 if there is none."""
    file: File
    """Makes the body."""
    right: frozenset[int] = READ | {400, 404, 413, 415, 422, 429}
    """Statuses that are right for it."""
    holds: bool = False
    """May hold a thread; so the end of a server that has met it is measured as well."""


async def post(port: int, body: bytes, *, path: str = URL, content_type: str = "") -> int:
    """Sends one request."""
    return (await ask(port, body, path=path, content_type=content_type)).status


async def unread(port: int, body: bytes, *, path: str, content_type: str, number: int, pause: float) -> int:
    """Sends some requests, and reads no answer; the status is that of a caption meanwhile."""
    loop = asyncio.get_running_loop()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    for _ in range(number):
        sock = socket.socket()
        held.append(sock)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, head.encode() + body)
        await asyncio.sleep(pause)
    await asyncio.sleep(25)
    return await post(port, PHOTO.read_bytes())


async def silent(port: int, body: bytes, *, number: int) -> int:
    """Opens connections that say nothing; the status is that of a caption beside them."""
    for _ in range(number):
        with suppress(OSError):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=0.2))
    await asyncio.sleep(5)
    return await post(port, body)


async def half_closed(port: int, body: bytes) -> int:
    """Sends a whole request and then closes its own direction, as HTTP allows."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (URL.encode(), len(body), body))
    writer.write_eof()
    first = await reader.readline()
    writer.close()
    return int(first.split()[1]) if first else 0


async def text_beside(port: int, body: bytes) -> int:
    """Asks for many long texts; the status is that of a short one beside them."""
    greedy = asyncio.create_task(post(port, body, path="/v1/completions", content_type=JSON))
    await asyncio.sleep(1)
    try:
        return await post(port, b'{"max_tokens":20}', path="/v1/completions", content_type=JSON)
    finally:
        greedy.cancel()


async def at_once(port: int, body: bytes, *, number: int, path: str) -> int:
    """Sends the same request several times; the status is the greatest."""
    return max(await asyncio.gather(*(post(port, body, path=path, content_type=JSON) for _ in range(number))))


HOLDING = (
    "scans of a JPEG",
    "scans of a JPEG, block by block",
    "EXIF segments of a JPEG",
    "fill bytes of a JPEG",
    "JPEG of 4 gigapixels",
    "strips of a TIFF",
    "runs of a BMP",
    "data chunks of a PNG",
    "comments of a GIF",
    "honest TIFF, LZW",
    "honest AVIF",
    "batch: long name",
    "batch: percent",
    "batch: form",
)
"""Shapes that have held a thread, or whose decoding takes long."""
WORST = (
    "many comments before an SVG",
    "scans of a JPEG, block by block",
    "EXIF segments of a JPEG",
    "JPEG of 4 gigapixels",
    "strips of a TIFF",
    "runs of a BMP, as allowed",
    "data chunks of a PNG",
    "comments of a GIF",
    "honest PNG, RGBA",
    "honest AVIF",
    "captions: percent",
    "captions: form",
    "chat: objects",
    "completions: stops",
    "text: long name",
    "batch: long name",
    "batch of 64-megapixel pictures",
)
"""Shapes that the crowd sends."""


def shapes(site: str) -> dict[str, Shape]:
    """All of them, by name; `site` is where pictures can be fetched."""
    found = {name: Shape(post, file) for name, file in PICTURES.items()}
    found |= {f"honest {name}": Shape(post, file, READ) for name, file in HONEST.items()}
    for route, where in ROUTES.items():
        for name, (file, kind) in bodies(where).items():
            found[f"{route}: {name}"] = Shape(partial(post, path=where.path, content_type=kind), file)
    batch = f"{URL}/batch"
    pictures: dict[str, File] = {
        "50-megapixel pictures": partial(encoded, "JPEG", "RGB", (8_160, 6_144)),
        "64-megapixel pictures": HONEST["PNG, RGB"],
        "pictures of 3 MB": lambda: PHOTO.read_bytes() + bytes(BATCH // 32 - 100_000),
        "small pictures": PHOTO.read_bytes,
    }
    for name, file in pictures.items():
        send = partial(post, path=batch, content_type=FORM)
        found[f"batch of {name}"] = Shape(send, partial(batch_of, file), READ)
    form = partial(
        bytes, b'--B\r\nContent-Disposition: form-data; name="prefix"\r\n\r\na\r\n' + batch_of(PHOTO.read_bytes, 1)
    )
    for charset in ("undefined", "utf-16", "idna", "rot13", "unicode_escape"):
        send = partial(post, content_type=f"{FORM}; charset={charset}")
        found[f"form in charset {charset}"] = Shape(send, form)
    sampled = f"{batch}?method=sample&num_captions=10&max_length=100&min_length=100&attention=true"
    batches = partial(unread, path=sampled, content_type=FORM, number=6, pause=4.0)
    streams = partial(unread, path="/v1/completions", content_type=JSON, number=4, pause=0.1)
    found |= {
        "unread batches": Shape(batches, partial(batch_of, partial(encoded, "JPEG", "RGB", (96, 96))), READ),
        "unread streams": Shape(streams, lambda: b'{"n":8,"max_tokens":100000,"logprobs":5,"stream":true}', READ),
        "silent connections": Shape(partial(silent, number=1_100), PHOTO.read_bytes, READ),
        "half-closed connection": Shape(half_closed, PHOTO.read_bytes, READ),
    }
    for size in (33_000, 100_000):
        send = partial(post, content_type="a" * size)
        found[f"head of {size:,} bytes"] = Shape(send, PHOTO.read_bytes, frozenset((400, 431)))
    for number in (32, 128):
        body = b'{"n":%d,"max_tokens":100000}' % number
        found[f"text beside {number} long ones"] = Shape(text_beside, partial(bytes, body), READ)
    for requests in (1, 6):
        body = json.dumps({"image": [f"{site}/large"] * 32}).encode()
        send = partial(at_once, number=requests, path=batch)
        found[f"{requests} x 32 fetched pictures"] = Shape(send, partial(bytes, body), holds=True)
    for name in ("large", "slow", "gopher"):
        body = json.dumps({"image": f"{site}/{name}"}).encode()
        found[f"fetched picture: {name}"] = Shape(partial(post, content_type=JSON), partial(bytes, body))
    return found | {name: replace(found[name], holds=True) for name in HOLDING}


class Site(BaseHTTPRequestHandler):
    """A picture of 19 MB, one that never comes, and a redirect to a scheme that is not the web's."""

    def do_GET(self) -> None:
        """Answers, by the path."""
        self.send_response(302 if self.path == "/gopher" else 200)
        self.send_header("location", "gopher://127.0.0.1:70/")
        self.end_headers()
        with suppress(OSError):
            if self.path == "/large":
                self.wfile.write(PHOTO.read_bytes() + bytes(UPLOAD - MEGABYTE))
            while self.path == "/slow":
                self.wfile.write(b"\xff")
                time.sleep(0.5)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def sited() -> Iterator[str]:
    """The address of a file server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Watch:
    """Asks for /healthz every 20 ms, each time on a new connection, and reads the memory, in a process of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._read: MutableSequence[float] = SPAWN.Array("d", 3, lock=False)
        """Seconds of the slowest answer; when the present one was asked for, or 0; most memory."""
        self._process = SPAWN.Process(target=watch, args=(service.port, service.process.pid, self._read), daemon=True)
        self._process.start()
        while not self._read[2]:
            time.sleep(0.05)

    def reset(self) -> None:
        """Begins anew."""
        self._read[0] = self._read[2] = 0.0

    @property
    def slowest(self) -> float:
        """Seconds of the slowest answer, or of one that is not there yet; infinite if one was missing."""
        began = self._read[1]
        return max(self._read[0], time.perf_counter() - began if began else 0.0)

    @property
    def most(self) -> float:
        """The most that memory was, in MB."""
        return max(self._read[2], self._service.memory())

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()


def watch(port: int, pid: int, read: MutableSequence[float]) -> None:
    """Notes the slowest answer and the most memory, until it is killed."""

    def look() -> None:
        while True:
            read[2] = max(read[2], resident(pid))
            time.sleep(0.02)

    threading.Thread(target=look, daemon=True).start()
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * PATIENCE)
        read[1], took = time.perf_counter(), math.inf
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            took = time.perf_counter() - read[1]
        connection.close()
        read[0], read[1] = max(read[0], took), 0.0
        time.sleep(0.02)


@dataclass(frozen=True)
class Server:
    """A server, what watches it, and its log."""

    service: Service
    watch: Watch
    log: Path

    async def serves(self) -> bool:
        """Test whether a caption comes within ten seconds."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(post(self.service.port, PHOTO.read_bytes()), 10) == 200
        return False


BEFORE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
import app.http.fetch
app.http.fetch.is_public = lambda address: True
"""
"""Code that a server runs first: it has as many descriptors as systemd gives to services, and may fetch from the file
server, which is on this machine. All else is as operators have it."""


@contextmanager
def started(checkpoints: Path, site: str) -> Iterator[Server]:
    """A server that has answered some of everything, so that what is allocated once is there."""
    with tempfile.NamedTemporaryFile() as log:
        hosts = site.removeprefix("http://")
        with serving(checkpoints, before=BEFORE, log=log.file, url_hosts=hosts) as service:
            asyncio.run(warm(service.port))
            watch = Watch(service)
            try:
                yield Server(service, watch, Path(log.name))
            finally:
                watch.close()
                let_go()


async def warm(port: int) -> None:
    """Asks for captions, alone and in batches, and for texts."""
    small, large = PHOTO.read_bytes(), encoded("JPEG", "RGB", (4_000, 3_000))
    for body in (small, large):
        await post(port, body)
        await post(port, batch_of(partial(bytes, body), 16), path=f"{URL}/batch", content_type=FORM)
    await post(port, b'{"n":32,"max_tokens":100}', path="/v1/completions", content_type=JSON)


def let_go() -> None:
    """Closes the connections that were left open."""
    while held:
        held.pop().close()


@contextmanager
def measured(server: Server, figures: dict[str, float]) -> Iterator[None]:
    """Fills in what a server's neighbours notice of what is done to it, and what stays five seconds later."""
    before, logged = server.service.memory(), server.log.stat().st_size
    server.watch.reset()
    yield
    time.sleep(0.1)  # for another answer of /healthz
    until = time.perf_counter() + 5
    while (stayed := server.service.memory() - before) > 10 and time.perf_counter() < until:
        time.sleep(0.1)
    figures["/healthz ms"] = 1000 * server.watch.slowest
    figures["grew MB"] = server.watch.most - before
    figures["stayed MB"] = stayed
    figures["log MB"] = (server.log.stat().st_size - logged) / 1e6
    let_go()


async def answer(port: int, shape: Shape, body: bytes) -> int:
    """The status of an answer; 0 if there is none in time."""
    with suppress(TimeoutError, OSError):
        return await asyncio.wait_for(shape.send(port, body), PATIENCE)
    return 0


async def leave(port: int, shape: Shape, body: bytes) -> None:
    """Sends the same twice, as there are two threads, and leaves after two seconds."""
    tasks = [asyncio.create_task(answer(port, shape, body)) for _ in range(2)]
    await asyncio.wait(tasks, timeout=2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def gone(server: Server, shape: Shape, body: bytes) -> float:
    """Seconds that a server takes to end once the clients have left; infinite if it does not."""
    asyncio.run(leave(server.service.port, shape, body))
    server.service.process.terminate()
    began = time.perf_counter()
    with suppress(TimeoutExpired):
        server.service.process.wait(BARS["gone s"])
        return time.perf_counter() - began
    server.service.process.kill()
    return math.inf


def captions(port: int, seconds: float) -> list[tuple[int, float]]:
    """Status and seconds of captions, asked for at a steady rate."""
    answers = asyncio.run(open_loop(port, PHOTO.read_bytes(), seconds=seconds, rate=RATE))
    return [(answer.status, answer.seconds) for answer in answers.values()]


async def crowd(server: Server, found: dict[str, Shape], seconds: float) -> dict[str, float]:
    """Figures of one who asks for captions beside clients that send the worst in turn."""
    port = server.service.port
    worst = [(found[name], found[name].file()) for name in WORST]
    statuses, figures = Counter[int](), dict[str, float]()

    async def client(number: int) -> None:
        for shape, body in islice(cycle(worst), 2 * number, None):
            statuses[await answer(port, shape, body)] += 1

    with measured(server, figures), ProcessPoolExecutor(1, SPAWN) as pool:
        ordinary = asyncio.get_running_loop().run_in_executor(pool, captions, port, seconds)
        clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
        if not (await asyncio.wait([ordinary], timeout=seconds + PATIENCE))[0]:
            server.service.process.kill()  # it answers nobody any more
        for task in clients:
            task.cancel()
        answers = await ordinary
    times = [took for status, took in answers if status == 200]
    refused = sum(status == 429 for status, _ in answers)
    for status, count in sorted(statuses.items()):
        figures[f"the crowd: answered {status}"] = count
    return figures | {
        "captions": len(answers),
        "refused (429)": refused,
        "p50 ms": 1000 * quantile(times, 0.5),
        "p99 ms": 1000 * quantile(times, 0.99),
        "lost": len(answers) - len(times) - refused,
    }


def told(value: float, bar: float, width: int) -> str:
    """A figure, marked if it is beyond its bar."""
    number = f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{number + ('!' if value > bar else ' '):>{width}}"


def alone(names: list[str], found: dict[str, Shape], checkpoints: Path, site: str) -> bool:
    """Tries shapes one by one and prints their figures; true if all bars were met."""
    heads = ("status", "MB", "seconds", *BARS)
    print(f"{'':38}" + "".join(f"{head:>13}" for head in heads), flush=True)
    worst = dict.fromkeys(BARS, (-math.inf, ""))
    wrong, waiting = [], deque(names)
    while waiting:
        with started(checkpoints, site) as server:
            while len(waiting) and asyncio.run(server.serves()):
                name = waiting.popleft()
                shape, figures = found[name], dict[str, float]()
                body = shape.file()
                with measured(server, figures):
                    began = time.perf_counter()
                    status = asyncio.run(answer(server.service.port, shape, body))
                    took = time.perf_counter() - began
                if shape.holds:
                    with started(checkpoints, site) as another:
                        figures["gone s"] = gone(another, shape, body)
                if status not in shape.right:
                    wrong.append(name)
                line = f"{name:38}{status:>12}{'!' if status not in shape.right else ' '}"
                line += told(len(body) / 1e6, math.inf, 13) + told(took, math.inf, 13)
                for figure, bar in BARS.items():
                    line += told(figures[figure], bar, 13) if figure in figures else " " * 13
                    worst[figure] = max(worst[figure], (figures.get(figure, -math.inf), name))
                print(line, flush=True)
            server.service.process.kill()
    print()
    for figure, (value, name) in worst.items():
        if name and value > -math.inf:
            print(f"{figure:16}{told(value, BARS[figure], 13)}   bar {BARS[figure]:6,.0f}   {name}")
    print(f"{'answered wrongly':16}{told(len(wrong), 0, 13)}   bar {0:6}   {', '.join(wrong)}")
    return not wrong and all(value <= BARS[figure] for figure, (value, _) in worst.items())


def together(found: dict[str, Shape], checkpoints: Path, site: str, seconds: float) -> bool:
    """Tries the crowd and prints its figures; true if all bars were met."""
    with started(checkpoints, site) as server:
        figures = asyncio.run(crowd(server, found, seconds))
    print(f"\n{CLIENTS} clients that send the worst in turn for {seconds:g} s")
    for figure, value in figures.items():
        bar = CROWD_BARS.get(figure, math.inf)
        print(f"{figure:30}{told(value, bar, 13)}" + (f"   bar {bar:6,.0f}" if bar < math.inf else ""))
    return all(figures[figure] <= bar for figure, bar in CROWD_BARS.items())


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints")
    asked = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with sited() as site:
        found = shapes(site)
        if asked.list:
            print(*found, "crowd", sep="\n")
            return
        names = [name for name in found if not asked.names or any(part in name for part in asked.names)]
        if not names and "crowd" not in asked.names:
            parser.error("no shape has such a name; --list prints them")
        met = alone(names, found, asked.checkpoints, site) if names else True
        if not asked.names or "crowd" in asked.names:
            met &= together(found, asked.checkpoints, site, asked.seconds)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", file=sys.stderr)
    sys.exit(not met)


if __name__ == "__main__":
    main()
