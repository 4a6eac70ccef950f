"""Small runs of the benchmarks that load the service: nothing is lost, nothing is answered twice, nothing fails."""

import asyncio
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Any]:
    """Imports one of them by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module


@pytest.fixture(scope="module")
def service(benchmarks: Any, checkpoints: Path) -> Iterator[Any]:
    """A process with a short queue."""
    with benchmarks("service").serving(checkpoints, threads=1, picture_queue=8, receive_seconds=2) as service:
        yield service


def test_overload(benchmarks: Any, service: Any) -> None:
    figures = asyncio.run(benchmarks("load").overload(service, 1.5))
    assert figures["answered 200"] > 0
    assert figures["answered 429"] > 0
    for never in (
        "answered otherwise, or not",
        "answers under another request's id",
        "answers given twice",
        "without Retry-After",
        "/healthz, failed",
    ):
        assert figures[never] == 0, never


def test_requests_of_all_kinds(benchmarks: Any, service: Any) -> None:
    figures = asyncio.run(benchmarks("load").endurance(service, 160))
    assert {name: count for name, count in figures.items() if name.startswith("answered")} == {
        "answered 200": 120,
        "answered 400": 20,
        "answered 422": 20,
    }


def test_slow_senders_hold_up_nobody(benchmarks: Any, service: Any) -> None:
    figures = asyncio.run(benchmarks("load").slow(service, 20, 1.5))
    assert figures["requests"] > 6
    assert figures["failed"] == 0


def test_mutations(benchmarks: Any, service: Any) -> None:
    statuses, bad = asyncio.run(benchmarks("fuzz").fuzz(service.port, 40, 0))
    assert bad == []
    assert statuses.total() == 40
    assert statuses[400] > 8
    assert service.process.poll() is None
