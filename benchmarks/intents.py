"""Intents over HTTP: the time of a request of one client, and the texts a second of many.

recap serve & python benchmarks/intents.py [URL]
"""

import asyncio
import statistics
import sys
import time

import httpx2

TEXTS = ("what time is it?", "book a flight from boston to denver for me and my wife", "is it going to rain tomorrow")
REQUESTS = 600
CLIENTS = 32


def alone(url: str) -> None:
    """Requests of one client, one after another. It is no asynchronous one, whose own time would be a third of it."""
    seconds = []
    with httpx2.Client(base_url=url, timeout=60) as client:
        for number in range(20 + REQUESTS):
            began = time.perf_counter()
            client.post("/v1/intents", json=body(number)).raise_for_status()
            seconds.append(time.perf_counter() - began)
    warm = sorted(seconds[20:])
    print(f"one client: p50 {1000 * statistics.median(warm):.2f} ms, p99 {1000 * warm[-REQUESTS // 100]:.2f} ms")


async def together(url: str) -> None:
    """Requests of many clients at the same time."""

    async def work(client: httpx2.AsyncClient) -> None:
        for number in range(REQUESTS // CLIENTS):
            (await client.post("/v1/intents", json=body(number))).raise_for_status()

    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        began = time.perf_counter()
        await asyncio.gather(*(work(client) for _ in range(CLIENTS)))
        rate = REQUESTS // CLIENTS * CLIENTS / (time.perf_counter() - began)
    print(f"{CLIENTS} clients: {rate:.0f} texts a second")


def body(number: int) -> dict[str, str]:
    """The body of a request."""
    return {"text": TEXTS[number % len(TEXTS)]}


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
    alone(address)
    asyncio.run(together(address))
