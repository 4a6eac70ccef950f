"""How much a request may send."""

from collections.abc import Mapping

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ApiError, error_response


class BodyLimitMiddleware:
    """Counts a body's bytes as they stream in and answers 413 past `max_bytes`, before anything has parsed them.

    The paths in `others` have limits of their own.

    A body whose Content-Length says that it is too large is refused unread. And since closing a connection with bytes
    unread resets it, which can destroy an answer on its way, every answer that comes before the whole body has is sent
    first, and then what the client goes on sending is read and dropped, within bounds (nginx calls it a lingering
    close).
    """

    linger_seconds = 10.0
    linger_bytes = 100_000_000

    def __init__(self, app: ASGIApp, max_bytes: int, others: Mapping[str, int]) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        has_body = declared != "0" or "transfer-encoding" in headers
        max_bytes = self.others.get(scope["path"], self.max_bytes)
        body = _Body(receive, send, max_bytes, whole=not has_body)
        error = ApiError(413, "body_too_large", f"the body is larger than {max_bytes:,} bytes")
        if declared.isdecimal() and int(declared) > max_bytes:
            await error_response(error, scope)(scope, body.receive, body.send)
        else:
            try:
                await self.app(scope, body.receive, body.send)
            except _BodyTooLargeError:
                await error_response(error, scope)(scope, body.receive, body.send)
        if body.answered and not body.whole:
            await body.drop_rest(self.linger_seconds, self.linger_bytes)


class _BodyTooLargeError(Exception):
    """Passes through the application to the middleware."""


class _Body:
    """A request's body on its way in, and the answer's on its way out."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int, *, whole: bool) -> None:
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._received = 0
        self.whole = whole
        """Everything has arrived, or the client has left."""
        self.answered = False

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
        else:
            self.whole = True
        return message

    async def receive(self) -> Message:
        message = await self._next()
        if self._received > self._max_bytes:
            raise _BodyTooLargeError
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.whole:
            MutableHeaders(scope=message)["connection"] = "close"
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.answered = True
            if not self.whole:  # all of the answer, but for its end, which would also end our right to read
                message = {**message, "more_body": True}
        await self._send(message)

    async def drop_rest(self, seconds: float, limit: int) -> None:
        until = self._received + limit
        with anyio.move_on_after(seconds):
            while not self.whole and self._received < until:
                await self._next()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
