"""Limits to the size and the slowness of bodies."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Refusal, body_too_large
from app.http.contract import TEXT_BYTES
from app.http.errors import error_response
from app.http.middleware.inflate import CODINGS, Inflater
from app.settings import Settings


class BodyLimitMiddleware:
    """Counts bodies' bytes as they stream in, before anything has parsed them.

    A body that is too large is answered 413, unread where its Content-Length says so; one that is too slow 408; and 429
    one that does not fit into memory beside what is there: bodies, pictures that were fetched, and unsent answers. One
    that is compressed is inflated within the same limits; other codings than gzip and deflate are answered 415.

    Closing a connection with bytes unread resets it, which can destroy an answer on its way. So an answer that comes
    before the end of the body is sent first, and the rest of the body is read and dropped, within bounds (nginx calls
    this a lingering close). If little is left and sure to come, the connection is kept: under overload most requests
    are refused, and a new connection costs both sides nearly half as much as a refusal.
    """

    linger_seconds = 10.0
    linger_bytes = 100_000_000
    kept_bytes = 1_000_000
    """Largest unread body whose connection is kept."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.limits = {
            "upload": settings.max_body_bytes,
            "batch": settings.max_batch_bytes,
            "text": min(settings.max_body_bytes, TEXT_BYTES),
        }
        """Kind of body, as a contract states it -> most bytes."""
        self.held = 0
        """Bytes of all bodies in memory, of pictures that were fetched, and of answers that are not sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = scope["state"]["body"] = _Body(self, scope, receive, send)
        try:
            body.require_room(body.declared)
            await self.app(scope, body.decoded(), body.send)
        except Refusal as error:
            await error_response(error, scope)(scope, body.receive, body.send)
        finally:
            self.held -= body.held
        if body.answered and not body.whole:
            await body.drop_rest()


class _Body:
    """A request's body on its way in, and the answer's on its way out."""

    def __init__(self, middleware: BodyLimitMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self._middleware = middleware
        self._receive = receive
        self._send = send
        self._max_bytes = middleware.limits[scope["state"]["match"].contract.body]
        self._until = asyncio.get_running_loop().time() + middleware.settings.receive_seconds
        self._linger = middleware.linger_seconds
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        chunked = "transfer-encoding" in headers
        self.declared = int(length) if length.isdecimal() else 0
        self.coding = headers.get("content-encoding", "").strip().lower()
        self.received = 0
        self.held = 0
        """Bytes that count as held on account of this request."""
        self.whole = length == "0" and not chunked
        """True once everything has arrived, or the client has left."""
        # A client that waits for leave to send its body may never send it: what came next would be taken for the body.
        sure = length.isdecimal() and not chunked and "expect" not in headers
        self._kept = sure and self.declared <= middleware.kept_bytes
        """True if the connection stays when the answer comes before the end of the body."""
        self.answered = False

    def require_room(self, size: int) -> None:
        """Refuse a body that has more bytes than are allowed."""
        if size > self._max_bytes:
            self._kept = False
            raise body_too_large(self._max_bytes)

    def hold(self, size: int) -> None:
        """Count bytes that are now in memory, until they are released, or the request has ended."""
        self.release(-size)
        # Alone, there is always room.
        if self._middleware.held > max(self._middleware.settings.max_held_bytes, self._max_bytes):
            self._kept = False
            text = "there is no memory for this beside what is there; try again shortly"
            raise Refusal("bodies_full", text, retry_after=1)

    def release(self, size: int) -> None:
        """Count bytes as held no longer."""
        self.held -= size
        self._middleware.held -= size

    def decoded(self) -> Receive:
        """Gives the body without its compression."""
        if self.whole or self.coding in ("", "identity"):
            return self.receive
        if self.coding not in CODINGS:
            text = f"a body may be compressed with gzip or deflate, not with {self.coding[:100]!r}"
            raise Refusal("unsupported_media_type", text)
        inflater, inflated = Inflater(self.coding, self.receive), 0

        async def receive() -> Message:
            nonlocal inflated
            message = await inflater.receive()
            size = len(message.get("body", b""))
            inflated += size
            self.require_room(inflated)
            self.hold(size)
            return message

        return receive

    async def _next(self) -> Message:
        message = await self._receive()
        self.whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def receive(self) -> Message:
        if self.whole:
            return await self._next()
        settings = self._middleware.settings
        try:
            async with asyncio.timeout_at(self._until + self.received / settings.receive_rate):
                message = await self._next()
        except TimeoutError:
            self._kept, self._linger = False, 0.0  # this client has had its time
            text = f"the body took too long: {self.received:,} bytes have arrived, and not the rest"
            raise Refusal("body_too_slow", text) from None
        size = len(message.get("body", b""))
        self.received += size
        self.require_room(self.received)
        self.hold(size)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.whole and not self._kept:
            MutableHeaders(scope=message)["connection"] = "close"
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.answered = True
            if not self.whole:  # send the answer without its end, which would also end our right to read
                message = {**message, "more_body": True}
        size = len(message.get("body", b""))
        self.release(-size)
        await self._send(message)
        self.release(size)

    async def drop_rest(self) -> None:
        dropped = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                while not self.whole and dropped < self._middleware.linger_bytes:
                    dropped += len((await self._next()).get("body", b""))
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
