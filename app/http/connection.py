"""A client's connection: uvicorn's HTTP/1.1, with limits to the size of heads and to the patience with them.

It stands between the transport and uvicorn's protocol, and uses what asyncio and ASGI define, not uvicorn's own parts.
"""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.crowd import Crowd

MAX_HEAD_BYTES = 32_768
"""Largest request head, in bytes; nginx's default."""
_TOO_LARGE = f"The head of a request may have {MAX_HEAD_BYTES:,} bytes."
MAX_BARREN_BYTES = 400_000
"""Most bytes after a head that bring no body: trailers, or extensions of chunks. uvicorn stops reading a body that the
application does not take at fewer."""
LINGER_SECONDS, LINGER_BYTES = 2.0, 10_000_000
"""Seconds and bytes for which a malformed request is read on after it has been answered. Closing a connection
with bytes unread resets it, which can destroy the answer on its way."""


HALF_CLOSED_SECONDS = 2.0
"""Seconds that a client has for its answer once it has said that it sends nothing more (RFC 9112, section 9.6). Most
that do have left, and their work is not to go on for nobody."""
PIECE = 1_000_000
"""Bytes of an answer that are handed to the transport at a time, which keeps a copy of what it can't send yet."""


class Connection(asyncio.Protocol):
    """Ends connections whose heads are slow or large, and closes connections so that answers arrive.

    A head must arrive within `seconds`. In every such time, a client must take `rate` bytes a second of its answer, or
    all there is of it. Every request finds the connection in its state. The options are uvicorn's.
    """

    def __init__(self, seconds: float, rate: float, crowd: Crowd, *, app_state: dict[str, Any], **options: Any) -> None:
        self._http = HttpToolsProtocol(app_state={**app_state, "connection": self}, **options)
        self._seconds, self._crowd = seconds, crowd
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.answering = 0
        """Requests that are being answered."""
        self.sending = False
        """True while the application waits for a part of the last one."""
        self._unread = 0
        """Bytes that have arrived since the last head or piece of a body."""
        self._lingering = self._lost = self._half_closed = False
        self._least = int(seconds * rate)
        self._written = 0
        """Bytes of answers, sent or not."""
        self._slow: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()
        self._drained.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._http.connection_made(_Transport(transport, self))  # type: ignore[arg-type]
        self._timer = self._loop.call_later(self._seconds, self.close)
        self._crowd.enter(self)

    def data_received(self, data: bytes) -> None:
        self._crowd.touch(self)
        self._unread += len(data)
        if self._lingering:
            if self._unread > LINGER_BYTES:
                self._transport.close()
            return
        if not self.answering and self._timer is None:  # another request on the same connection
            self._timer = self._loop.call_later(self._seconds, self.close)
        self._http.data_received(data)
        if self._unread > MAX_HEAD_BYTES:
            self._loop.call_soon(self._check)  # once the application has taken a head or a body that was in it

    def _check(self) -> None:
        if self._unread > (MAX_BARREN_BYTES if self.answering else MAX_HEAD_BYTES) and not self._lingering:
            self.refuse(_TOO_LARGE)

    def eof_received(self) -> bool:
        """Keep the connection for a while if a request is being answered."""
        self._http.eof_received()
        if self.answering and not self._lingering:
            self._half_closed = True
            self._loop.call_later(HALF_CLOSED_SECONDS, self._transport.close)
        return self._half_closed

    def pause_writing(self) -> None:
        self._drained.clear()
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._drained.set()
        self._http.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._drained.set()
        if self._lost or not self._lingering:  # else it is still open
            self._crowd.leave(self)
        if not self._lost:
            self._lost = True
            self._http.connection_lost(exc)

    def begin(self) -> None:
        """Note that the application has a request's head."""
        self._stop_timer()
        self.answering += 1
        self.sending = True
        self._unread = 0

    def progress(self) -> None:
        """Note that the application has a piece of the body."""
        self._unread = 0

    def end(self) -> None:
        """Note that the application has done with a request."""
        self.answering -= 1
        self._unread = 0
        self._crowd.touch(self)
        if self._half_closed:
            self._loop.call_soon(self._close_if_idle)  # unless the next request begins, which was sent with this one

    def _close_if_idle(self) -> None:
        if not self.answering:
            self._transport.close()

    async def drained(self) -> None:
        """Wait until next to all that was written has been sent, or the connection is lost."""
        await self._drained.wait()

    def refuse(self, message: str) -> None:
        """Answer 400 to what is no request, and close."""
        body = message.encode()
        head = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        self._transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head.encode(), len(body), body))
        self._linger()

    def write(self, data: bytes) -> None:
        """Send a part of an answer, if the connection takes any."""
        if not self._lingering:
            self._written += len(data)
            self._transport.write(data)
            if self._slow is None and self._transport.get_write_buffer_size():
                self._expect_progress()

    def _expect_progress(self) -> None:
        unsent = self._transport.get_write_buffer_size()
        wanted = self._written - max(unsent - self._least, 0)
        self._slow = self._loop.call_later(self._seconds, self._see_progress, wanted) if unsent else None

    def _see_progress(self, wanted: int) -> None:
        """End the connection if fewer bytes than these have been sent since its beginning."""
        if self._written - self._transport.get_write_buffer_size() < wanted:
            self._transport.abort()
        else:
            self._expect_progress()

    def abort(self) -> None:
        """End the connection, whatever is under way."""
        self._transport.abort()

    def close(self) -> None:
        """Close the connection; if what was received is no whole request, read on for a while."""
        if self._unread:
            self._linger()
        else:
            self._transport.close()

    def _linger(self) -> None:
        if self._lingering or self._transport.is_closing():
            return
        self._lingering = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER_SECONDS, self._transport.close)
        self._loop.call_soon(self.connection_lost, None)  # the application need not wait for the rest

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


class _Transport:
    """The transport as uvicorn sees it: writing and closing go through the connection."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self.write = connection.write
        self.close = connection.close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def watched(app: ASGIApp) -> ASGIApp:
    """An application that tells a request's `Connection` how far it is, and to which no invalid head comes."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        connection: Connection = scope["state"].pop("connection")

        async def take() -> Message:
            message = await receive()
            connection.sending = message.get("more_body", False)
            if message.get("body"):
                connection.progress()
            return message

        async def give(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) > PIECE:
                last = (len(body) - 1) // PIECE * PIECE
                for start in range(0, last, PIECE):
                    await send({**message, "body": body[start : start + PIECE], "more_body": True})
                    await connection.drained()
                message = {**message, "body": body[last:]}
            await send(message)
            await connection.drained()

        connection.begin()
        try:
            if fault := _fault(scope):
                connection.refuse(fault)
            else:
                await app(scope, take, give)
        finally:
            connection.end()

    return answer


def _fault(scope: Scope) -> str | None:
    """The fault of a head that the parser lets pass."""
    hosts, size = 0, len(scope["raw_path"]) + len(scope["query_string"])
    for name, value in scope["headers"]:
        hosts += name == b"host"
        size += len(name) + len(value) + 4  # a colon, a space and the end of the line
    if size > MAX_HEAD_BYTES:
        return _TOO_LARGE
    if hosts != 1 and (hosts or scope["http_version"] == "1.1"):
        return "A request has one host."  # RFC 9112, section 3.2
    return None
