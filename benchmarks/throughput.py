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
from service import PHOTO, ROOT, ask, closed_loop, open_loop, quantile, serving

CLIENTS = 64
"""Clients while throughput is measured: enough for every server to be at its best."""
SECONDS = 5.0
"""Length of a turn."""
TURNS = 5
JSON = "application/json"
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
    alone, slow = [], []
    with ExitStack() as servers:
        service = servers.enter_context(serving(ROOT / "checkpoints"))
        peers = {name: servers.enter_context(peer(name)) for name in others}
        for _ in range(TURNS):
            rates["recap"].append(asyncio.run(peak(service.port)))
            # At once: half of what it was minutes ago may be most of what it is now, if others want the cores.
            alone += asyncio.run(unloaded(service.port))
            slow.append(quantile(asyncio.run(loaded(service.port, rates["recap"][-1] / 2)), 0.99))
            for name, (port, group) in peers.items():
                with awake(group):
                    rates[name].append(asyncio.run(peak(port)))
    return Measured({name: median(found) for name, found in rates.items()}, median(alone), median(slow))


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
        while asyncio.run(ask(port, body, content_type=JSON)).status != 200:
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


async def peak(port: int) -> float:
    """Captions a second that clients get who each ask again as soon as they have one, after a while of the same."""
    since = time.perf_counter() + SECONDS / 4
    until = since + SECONDS
    answers = await closed_loop(port, request(), seconds=1.25 * SECONDS, clients=CLIENTS, content_type=JSON)
    return sum(answer.status == 200 and since <= answer.ended < until for answer in answers) / SECONDS


async def unloaded(port: int) -> list[float]:
    """Seconds of captions, one by one."""
    body = request()
    return [(await ask(port, body, content_type=JSON)).seconds for _ in range(20)]


async def loaded(port: int, rate: float) -> list[float]:
    """Seconds of captions that are asked for at a rate."""
    answers = await open_loop(port, request(), seconds=2 * SECONDS, rate=rate, content_type=JSON)
    return [answer.seconds for answer in answers.values()]
