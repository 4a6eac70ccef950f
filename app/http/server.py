"""uvicorn's server, which drains before it stops."""

import time
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.heap import freeze_heap
from app.http.connection import Connection, watched
from app.serving.engine import Engine

ENDING_SECONDS = 5
"""Seconds allowed for flushing answers after the last request has finished."""


class Server(uvicorn.Server):
    """Drains when it is told to stop: it refuses new work, and goes on until nothing is in flight or time is up.

    uvicorn itself would close its listeners first, and nobody could see `/readyz` turn to 503.

    Args:
        application: from `create_app`, whose settings are also the server's.
    """

    def __init__(self, application: FastAPI) -> None:
        self._engine: Engine = application.state.engine
        settings = self._engine.settings
        config = uvicorn.Config(
            watched(application),
            settings.host,
            settings.port,
            loop="asyncio",  # whatever else is installed: what every test runs on
            http=partial(Connection, settings.receive_seconds),  # type: ignore[arg-type]
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
        """Begin to drain at the first signal, and stop at the next."""
        if self._engine.state == "draining":
            super().handle_exit(sig, frame)
            return
        self._engine.state = "draining"
        self._told = time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Tell whether it is time to stop; uvicorn asks ten times a second."""
        if self._engine.settled and not self._settled:
            self._settled = True
            freeze_heap()
        if self._engine.state == "draining" and not self.should_exit:
            if time.monotonic() >= self._told + self._patience:
                await self._engine.close()
                self.should_exit = True
            elif not self.server_state.tasks:
                self.should_exit = True
        return await super().on_tick(counter)
