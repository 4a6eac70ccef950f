"""Server-sent events: an answer that comes in pieces."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

DONE = format_sse_event(data_str="[DONE]")
"""The end of streams in OpenAI's contracts."""


def event(data: Any, name: str | None = None) -> bytes:
    """A JSON value as an event, in ASCII, since some clients take U+2028 and its like for the end of a line."""
    return format_sse_event(data_str=json.dumps(data), event=name)


class EventStream(EventSourceResponse):
    """An answer in events. The context of `work`, their source, is left when the stream ends, however it ends."""

    def __init__(self, events: AsyncIterator[bytes], work: AbstractContextManager[Any] | None = None) -> None:
        super().__init__(events, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        self._work = work or nullcontext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._work:
            await super().__call__(scope, receive, send)
