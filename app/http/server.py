"""uvicorn's server, with limits to its patience."""

import asyncio
import gc
import time
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.serving.engine import Engine

ENDING_SECONDS = 5
"""That answers have to get out when all work has come to an end."""

MAX_HEAD_BYTES = 32_768
"""Of a request, beyond which it is not read on: as nginx has it."""

LINGER_SECONDS, LINGER_BYTES = 2.0, 10_000_000
"""For how long, and up to how many bytes, a client is read on whose request is none, once it is told: to close the
connection with bytes unread would reset it, which can destroy the answer on its way."""


class Server(uvicorn.Server):
    """Once told to stop, it refuses what is new, and goes on until nothing is in flight or its patience is at an end.

    uvicorn itself would close its listeners first, and nobody could see `/readyz` turn to 503.

    Args:
        application: of `create_app`, whose settings are the server's as well.
    """

    def __init__(self, application: FastAPI) -> None:
        self._engine: Engine = application.state.engine
        settings = self._engine.settings
        config = uvicorn.Config(
            application,
            settings.host,
            settings.port,
            http=_protocol(settings.receive_seconds),
            server_header=False,
            log_config=None,
            access_log=False,  # it would have their queries
            proxy_headers=False,  # the application sees to them
            timeout_graceful_shutdown=ENDING_SECONDS,
        )
        super().__init__(config)
        self._patience = settings.drain_seconds
        self._told = 0.0
        self._settled = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first one begins the end, the next one hastens it."""
        if self._engine.state == "draining":
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self._engine.state = "draining"
        self._told = time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to stop; uvicorn asks ten times a second."""
        if self._engine.settled and not self._settled:
            self._settled = True
            gc.collect()
            gc.freeze()  # what is there stays, and need not be gone through again: that would hold up everyone
            gc.enable()  # where it was not, to start sooner
        if self._engine.state == "draining" and not self.should_exit:
            if time.monotonic() >= self._told + self._patience:
                await self._engine.close()
                self.should_exit = True
            elif not self.server_state.tasks:
                self.should_exit = True
        return await super().on_tick(counter)


class _Gathered:
    """A transport that sends what is written at the same time together: an answer's head and body, most of the time.

    That is one call to the system instead of two, and one of the client's: when many ask, most answers are refusals.
    """

    most = 65_536
    """Bytes that are sent at once, so that the transport can tell when a client does not keep up."""
    lingers = False
    """Whether the end of what is sent is not yet that of the connection."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._send)
        self._written += data
        if len(self._written) > self.most:
            self._send()

    def close(self) -> None:
        self._send()
        if self.lingers:
            self.lingers = False
            self._transport.write_eof()
            self._loop.call_later(LINGER_SECONDS, self._transport.close)
        else:
            self._transport.close()

    def _send(self) -> None:
        if self._written:
            self._transport.write(self._written)
            self._written = b""


def _protocol(seconds: float) -> type[asyncio.Protocol]:
    """HTTP as uvicorn has it, without those who take longer than this to send the head of a request, or too much of it.

    It is Node's parser, which takes a third less of a refusal's time than h11, and leaves limits to others.
    """

    class Protocol(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None
        _unread = 0
        """Bytes that have arrived since the last of which something came: a head, or trailers, in the making."""
        _refused = False

        def connection_made(self, transport: Any) -> None:
            self._gathered = _Gathered(transport, self.loop)
            super().connection_made(self._gathered)  # type: ignore[arg-type]
            self._timer = self.loop.call_later(seconds, self.transport.close)

        def data_received(self, data: bytes) -> None:
            self._unread += len(data)
            if self._refused:
                if self._unread > LINGER_BYTES:
                    self.transport.close()
                return
            cycle = self.cycle
            if self._timer is None and cycle and cycle.response_complete:  # the next request on the same connection
                self._timer = self.loop.call_later(seconds, self.transport.close)
            super().data_received(data)
            if self.cycle is not cycle:
                self._stop_timer()
            if self._unread > MAX_HEAD_BYTES and not (self._refused or self.transport.is_closing()):
                self.send_400_response(f"The head of a request may have {MAX_HEAD_BYTES:,} bytes.")

        def send_400_response(self, msg: str) -> None:
            self._refused = self._gathered.lingers = True
            if self.cycle and not self.cycle.response_complete:  # whose trailers they are; nothing comes after this
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            super().send_400_response(msg)

        def on_headers_complete(self) -> None:
            self._unread = 0
            hosts = sum(name == b"host" for name, _ in self.headers)
            if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
                raise ValueError("RFC 9112, section 3.2")  # which the parser makes an invalid request
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._unread = 0
            super().on_body(body)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _stop_timer(self) -> None:
            if self._timer:
                self._timer.cancel()
                self._timer = None

    return Protocol
