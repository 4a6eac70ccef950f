"""An id for each request, and an answer to errors that no route has answered."""

import asyncio
import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.errors import draining
from app.http.errors import error_response, unexpected

REQUEST_ID = "x-request-id"


class RequestIdMiddleware:
    """Gives each request an id, sends it back as x-request-id, and answers what is refused or fails further in.

    A caller's own id is kept where it is short and harmless, so that its logs and ours can be read together. So is the
    trace that it is part of, as W3C's `traceparent` names it.
    """

    _harmless = re.compile(r"[A-Za-z0-9._:-]{1,128}")
    # Of later versions, what comes behind the flags is passed over (W3C Trace Context, section 3.2.4).
    _traceparent = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wished = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = wished if self._harmless.fullmatch(wished) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        found = self._traceparent.fullmatch(Headers(scope=scope).get("traceparent", ""))
        trace = (
            {"trace_id": found[1], "parent_id": found[2]} if found and int(found[1], 16) and int(found[2], 16) else {}
        )
        scope["state"]["trace"] = trace
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id, **trace):
            try:
                await self.app(scope, receive, send_with_id)
            except asyncio.CancelledError:  # the server has been told to stop at once, or its patience is at an end
                if not started:
                    await error_response(draining(), scope)(scope, receive, send_with_id)
                raise
            except Exception as error:
                if started:
                    unexpected(error, scope)
                    raise  # too late to answer: the server cuts the connection, so that the caller sees it is not whole
                await error_response(error, scope)(scope, receive, send_with_id)
