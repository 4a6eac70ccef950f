"""W3C's `traceparent`: read, kept for the log, and passed over where it is wrong."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.contextvars import get_contextvars

from app.http.middleware.request_id import RequestIdMiddleware

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def seen(traceparent: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the log of the request has, from within and as the line about it."""
    found: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.extend((get_contextvars(), scope["state"]["trace"]))

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    headers = [] if traceparent is None else [(b"traceparent", traceparent.encode())]
    asyncio.run(RequestIdMiddleware(app)({"type": "http", "headers": headers}, receive, send))
    return found[0], found[1]


@pytest.mark.parametrize("traceparent", [f"00-{TRACE}-{PARENT}-01", f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be"])
def test_trace_of_a_request_is_in_its_log(traceparent: str) -> None:
    within, line = seen(traceparent)
    assert line == {"trace_id": TRACE, "parent_id": PARENT}
    assert within.items() >= line.items()


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01\nforged",
    ],
)
def test_trace_that_is_wrong_is_none(traceparent: str | None) -> None:
    within, line = seen(traceparent)
    assert (line, "trace_id" in within) == ({}, False)
