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


async def ask(client: httpx2.AsyncClient, number: int) -> float:
    """Seconds of a request."""
    began = time.perf_counter()
    response = await client.post("/v1/intents", json={"text": TEXTS[number % len(TEXTS)]})
    response.raise_for_status()
    return time.perf_counter() - began


async def work(client: httpx2.AsyncClient, requests: int) -> list[float]:
    """Requests one after another."""
    return [await ask(client, number) for number in range(requests)]


async def main(url: str) -> None:
    """Measures the server at an address, and prints what it takes."""
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        await work(client, 20)
        alone = sorted(await work(client, REQUESTS))
        began = time.perf_counter()
        await asyncio.gather(*(work(client, REQUESTS // CLIENTS) for _ in range(CLIENTS)))
        rate = REQUESTS // CLIENTS * CLIENTS / (time.perf_counter() - began)
    print(f"one client: p50 {1000 * statistics.median(alone):.2f} ms, p99 {1000 * alone[-REQUESTS // 100]:.2f} ms")
    print(f"{CLIENTS} clients: {rate:.0f} texts a second")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"))
