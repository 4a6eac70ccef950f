"""uvicorn's server, which drains before it stops."""

import asyncio
import faulthandler
import gc
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.http.connection import Connection, watched
from app.http.crowd import Crowd, find_room
from app.serving.engine import Engine
from app.serving.memory import Trimmer
from recap.stopping import on_stop

BACKLOG = 512
"""Connections that the system keeps until they are accepted; asyncio accepts as many in one go."""
FLUSH_SECONDS, HURRIED_SECONDS = 5, 1
"""Seconds for sending what is left of answers after all work has ended; the latter when told to stop twice."""
PATIENCE = 4
"""Seconds after these in which the process has to be gone; then it is ended wherever its threads are."""


class Server(uvicorn.Server):
    """Drains when it is told to stop: it refuses new work, and goes on until nothing is in flight or time is up.

    uvicorn itself would close its listeners first, and nobody could see `/readyz` turn to 503.
    """

    def __init__(self, application: FastAPI) -> None:
        self._engine: Engine = application.state.engine
        settings = self._engine.settings
        self._crowd = Crowd(find_room())
        self._trimmer = Trimmer()
        config = uvicorn.Config(
            watched(application),
            settings.host,
            settings.port,
            loop="asyncio",  # whatever else is installed: what every test runs on
            http=partial(Connection, settings.receive_seconds, settings.receive_rate, self._crowd),  # type: ignore[arg-type]
            backlog=BACKLOG,
            server_header=False,
            log_config=None,
            access_log=False,  # it would have their queries
            proxy_headers=False,  # the application sees to them
            timeout_graceful_shutdown=FLUSH_SECONDS,
        )
        super().__init__(config)
        self._until = 0.0
        """When draining ends, by `time.monotonic`."""
        self._owner = False
        """True if it may end the process: it has the main thread, and the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that ask to stop, for good. uvicorn would raise them again after it has stopped."""
        self._owner = threading.current_thread() is threading.main_thread()
        if self._owner:
            on_stop(self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal, and hurry at the next; a terminal that closes may send several."""
        if self._engine.state == "draining":
            if sig != signal.SIGHUP:
                self.force_exit = self.should_exit  # do not even flush
                self._until = 0.0
                self.config.timeout_graceful_shutdown = HURRIED_SECONDS
                self._end_within(HURRIED_SECONDS + PATIENCE)
            return
        self._engine.state = "draining"
        seconds = self._engine.settings.drain_seconds
        self._until = time.monotonic() + seconds
        self._end_within(seconds + FLUSH_SECONDS + PATIENCE)

    def _end_within(self, seconds: float) -> None:
        """End the process after so many seconds even if a thread never lets go of the interpreter, and tell which."""
        if self._owner:
            faulthandler.dump_traceback_later(seconds, exit=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._crowd.handle_error)
        await super().startup(sockets)
        if sockets:
            self._log_started_message(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Tell whether it is time to stop; uvicorn asks ten times a second."""
        if self._engine.settled and not gc.isenabled():
            gc.collect()
            gc.freeze()  # leave alone what is loaded: a full collection of it would stop everyone for 0.2 s
            gc.enable()
        if counter % 10 == 0 and self._engine.settled:
            self._trimmer.tick(busy=bool(self.server_state.tasks))
        if self._engine.state == "draining" and not self.should_exit:
            late = time.monotonic() >= self._until
            if late:
                await self._engine.close()
            self.should_exit = late or not self.server_state.tasks
        return await super().on_tick(counter)
