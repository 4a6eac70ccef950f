"""Captions a second of our server and of others, and how long one takes, for `bench.py`; the clients are here."""

import asyncio
import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from socket import create_server
from statistics import median
from typing import NamedTuple

from PIL import Image
from service import PHOTO, ROOT, Answer, ask, quantile, serving

CLIENTS = 64
"""That ask at the same time for as long as throughput is measured: enough for every server to be at its best."""
SECONDS = 5.0
"""Of throughput, each turn."""
TURNS = 5
PEERS = Path(__file__).with_name("peers.py")


class Measured(NamedTuple):
    """Medians of all turns."""

    rates: dict[str, float]
    """Captions a second of each server; ours is `recap`."""
    unloaded: float
    """Seconds of a caption, one by one."""
    slow: float
    """Seconds that 99 % do not exceed at half the peak."""


def measure(others: Sequence[str]) -> Measured:
    """Our server and others, of `peers.py`, which take turns and sleep meanwhile."""
    rates: defaultdict[str, list[float]] = defaultdict(list)
    unloaded, slow = [], []
    with ExitStack() as servers:
        service = servers.enter_context(serving(ROOT / "checkpoints"))
        peers = {name: servers.enter_context(peer(name)) for name in others}
        for _ in range(TURNS):
            rates["recap"].append(asyncio.run(closed_loop(service.port)))
            for name, (port, group) in peers.items():
                with awake(group):
                    rates[name].append(asyncio.run(closed_loop(port)))
        for _ in range(TURNS):
            unloaded += asyncio.run(alone(service.port, 20))
            taken = asyncio.run(open_loop(service.port, 2 * SECONDS, median(rates["recap"]) / 2))
            slow.append(quantile(taken, 0.99))
    return Measured({name: median(found) for name, found in rates.items()}, median(unloaded), median(slow))


@contextmanager
def peer(name: str) -> Iterator[tuple[int, int]]:
    """The port and the process group of one of the other servers, which is ready, and asleep."""
    with closing(create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(PEERS), name, str(port)], env=environment, process_group=0)
    try:
        body = request()
        until = time.perf_counter() + 120
        while asyncio.run(post(port, body)).status != 200:
            if process.poll() is not None or time.perf_counter() > until:
                raise SystemExit(f"{name} did not start")
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGSTOP)
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # all that it started: LitServe has workers
        os.killpg(process.pid, signal.SIGCONT)
        process.wait()


@contextmanager
def awake(group: int) -> Iterator[None]:
    """Wakes a server for as long as this lasts: LitServe's workers are busy even when nobody asks them."""
    os.killpg(group, signal.SIGCONT)
    yield
    os.killpg(group, signal.SIGSTOP)


def request() -> bytes:
    """A JPEG of 500 x 375 in JSON."""
    file = io.BytesIO()
    Image.open(PHOTO).convert("RGB").resize((500, 375)).save(file, "JPEG", quality=90)
    return json.dumps({"image": base64.b64encode(file.getvalue()).decode(), "beam_size": 3}).encode()


def post(port: int, body: bytes) -> "asyncio.Future[Answer]":
    """Asks for a caption."""
    return ask(port, body, content_type="application/json")


async def closed_loop(port: int) -> float:
    """Answers a second to clients that each ask again as soon as they have one, after a while of the same."""
    body = request()
    since = time.perf_counter() + SECONDS / 4
    until = since + SECONDS
    done = 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < until:
            answer = await post(port, body)
            done += answer.status == 200 and since <= time.perf_counter() < until

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return done / SECONDS


async def open_loop(port: int, seconds: float, rate: float) -> list[float]:
    """Seconds of answers to requests that come at a rate, whatever the answers do."""
    body, began = request(), time.perf_counter()
    taken = []

    async def one() -> None:
        taken.append((await post(port, body)).seconds)

    async with asyncio.TaskGroup() as tasks:
        for number in range(max(1, round(seconds * rate))):
            await asyncio.sleep(began + number / rate - time.perf_counter())
            tasks.create_task(one())
    return taken


async def alone(port: int, times: int) -> list[float]:
    """Seconds of answers to requests that come one by one."""
    body = request()
    return [(await post(port, body)).seconds for _ in range(times)]
