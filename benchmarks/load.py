"""The service under more load than it can bear, for a long time, and beside clients that send slowly.

python benchmarks/load.py overload  [--seconds 60]    four times the rate that it can sustain
python benchmarks/load.py endurance [--requests 20000]   memory, request after request
python benchmarks/load.py slow      [--clients 200]   clients that send a byte a second

--checkpoints FOLDER takes other models. The client runs on the same machine, and takes its share of the processor.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from service import PHOTO, ROOT, URL, Answer, Service, ask, closed_loop, open_loop, quantile, serving

CLIENTS = 16
"""Clients of the closed loop that finds the peak: enough for full batches."""


async def watch(port: int, path: str, answers: list[Answer]) -> None:
    """Asks five times a second, until cancelled."""
    while True:
        answers.append(await ask(port, path=path))
        await asyncio.sleep(0.2)


async def overload(service: Service, seconds: float) -> dict[str, float]:
    """Figures of a load four times the peak."""
    photo = PHOTO.read_bytes()
    await closed_loop(service.port, photo, seconds=min(5.0, seconds / 4), clients=CLIENTS)  # warm
    measured = max(seconds / 3, 1.0)
    answered = await closed_loop(service.port, photo, seconds=measured, clients=CLIENTS)
    peak = sum(answer.status == 200 for answer in answered) / measured
    health: list[Answer] = []
    watcher = asyncio.create_task(watch(service.port, "/healthz", health))
    began = time.perf_counter()
    answers = await open_loop(service.port, photo, seconds=seconds, rate=4 * peak)
    took = time.perf_counter() - began
    watcher.cancel()
    good = [answer for answer in answers.values() if answer.status == 200]
    refused = [answer.seconds for answer in answers.values() if answer.status == 429]
    statuses = Counter(answer.status for answer in answers.values())
    ids = {json.loads(answer.body)["id"] for answer in good}
    return {
        "peak, answers/s": peak,
        "asked, requests/s": 4 * peak,
        "goodput, answers/s": len(good) / took,
        "goodput / peak": len(good) / took / peak,
        "answered 200": len(good),
        "answered 429": len(refused),
        "answered otherwise, or not": sum(statuses.values()) - len(good) - len(refused),
        "answers under another request's id": sum(
            one.headers.get("x-request-id") != name for name, one in answers.items()
        ),
        "answers given twice": len(good) - len(ids),
        "without Retry-After": sum("retry-after" not in one.headers for one in answers.values() if one.status == 429),
        "200, ms, median": 1000 * quantile([answer.seconds for answer in good], 0.5),
        "429, ms, median": 1000 * quantile(refused, 0.5),
        "429, ms, p99": 1000 * quantile(refused, 0.99),
        "429, ms, worst": 1000 * max(refused, default=0.0),
        "/healthz, ms, p99": 1000 * quantile([answer.seconds for answer in health], 0.99),
        "/healthz, ms, worst": 1000 * max(answer.seconds for answer in health),
        "/healthz, failed": sum(answer.status != 200 for answer in health),
    }


async def endurance(service: Service, requests: int) -> dict[str, float]:
    """Memory after the first thousand of so many requests, and after all: captions of all kinds, and errors."""
    photo = PHOTO.read_bytes()
    kinds = [
        (URL, photo),
        (f"{URL}?num_captions=3&attention=true&tree=true", photo),
        (f"{URL}?method=sample&num_captions=2", photo),
        (f"{URL}/stream", photo),
        (URL, photo[: len(photo) // 2]),
        (f"{URL}?beam_size=99", photo),
        (f"{URL}?method=greedy", photo),
        ("/v1/models", b""),
    ]
    numbers, statuses = itertools.count(), Counter[int]()
    first, warm, started = 0.0, min(1000, requests // 4), time.perf_counter()

    async def client() -> None:
        nonlocal first
        while (number := next(numbers)) < requests:
            path, body = kinds[number % len(kinds)]
            statuses[(await ask(service.port, body, path=path)).status] += 1
            if number == warm:
                first = service.memory()

    await asyncio.gather(*(client() for _ in range(4)))
    last = service.memory()
    return {
        "requests": requests,
        "seconds": time.perf_counter() - started,
        **{f"answered {status}": count for status, count in sorted(statuses.items())},
        f"MB after {warm}": first,
        f"MB after {requests}": last,
        "growth, MB": last - first,
    }


async def drip(port: int) -> None:
    """Sends a request a byte a second, and again when it is cut off."""
    request = b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"
    for number in itertools.count():
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            with closing(writer):
                started = len(request) * (number % 2)  # every other one dawdles over the head already
                writer.write(request[:started])
                for byte in request[started:] + b"\xff" * 100_000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(1)


async def slow(service: Service, clients: int, seconds: float) -> dict[str, float]:
    """Times of a client's requests, alone and beside so many slow ones, in turns."""
    times: dict[bool, list[float]] = {False: [], True: []}
    failed, photo = 0, PHOTO.read_bytes()
    await closed_loop(service.port, photo, seconds=seconds / 6, clients=1)  # warm
    for turn in range(6):
        beside = bool(turn % 2)
        drips = [asyncio.create_task(drip(service.port)) for _ in range(clients * beside)]
        await asyncio.sleep(min(2.0, seconds / 6))
        answers = await closed_loop(service.port, photo, seconds=seconds / 6, clients=1)
        times[beside] += [answer.seconds for answer in answers]
        failed += sum(answer.status != 200 for answer in answers)
        for task in drips:
            task.cancel()
        await asyncio.gather(*drips, return_exceptions=True)
    figures: dict[str, float] = {"slow clients": clients, "requests": sum(map(len, times.values())), "failed": failed}
    for name, share in (("median", 0.5), ("p99", 0.99)):
        alone, beside_them = quantile(times[False], share), quantile(times[True], share)
        figures |= {
            f"alone, ms, {name}": 1000 * alone,
            f"beside them, ms, {name}": 1000 * beside_them,
            f"{name}, ratio": beside_them / alone,
        }
    return figures


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overload", "endurance", "slow"))
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=200)
    asked = parser.parse_args()
    with serving(asked.checkpoints) as service:
        if asked.what == "overload":
            figures = asyncio.run(overload(service, asked.seconds))
        elif asked.what == "endurance":
            figures = asyncio.run(endurance(service, asked.requests))
        else:
            figures = asyncio.run(slow(service, asked.clients, asked.seconds))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", file=sys.stderr)
    for name, value in figures.items():
        print(f"{name:36}{value:12,.3f}".rstrip("0").rstrip("."))


if __name__ == "__main__":
    main()
