"""uvicorn's server, which drains before it stops."""

import gc
import time
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.http.connection import Connection, watched
from app.serving.engine import Engine


class Server(uvicorn.Server):
    """Drains when it is told to stop: it refuses new work, and goes on until nothing is in flight or time is up.

    uvicorn itself would close its listeners first, and nobody could see `/readyz` turn to 503.
    """

    def __init__(self, application: FastAPI) -> None:
        self._engine: Engine = application.state.engine
        settings = self._engine.settings
        config = uvicorn.Config(
            watched(application),
            settings.host,
            settings.port,
            loop="asyncio",  # whatever else is installed: what every test runs on
            http=partial(Connection, settings.receive_seconds, settings.receive_rate),  # type: ignore[arg-type]
            server_header=False,
            log_config=None,
            access_log=False,  # it would have their queries
            proxy_headers=False,  # the application sees to them
            timeout_graceful_shutdown=5,  # seconds for flushing answers after the last request has finished
        )
        super().__init__(config)
        self._until = 0.0
        """When draining ends, by `time.monotonic`."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal, and stop at the next."""
        if self._engine.state == "draining":
            super().handle_exit(sig, frame)
            return
        self._engine.state = "draining"
        self._until = time.monotonic() + self._engine.settings.drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Tell whether it is time to stop; uvicorn asks ten times a second."""
        if self._engine.settled and not gc.isenabled():
            gc.collect()
            gc.freeze()  # leave alone what is loaded: a full collection of it would stop everyone for 0.2 s
            gc.enable()
        if self._engine.state == "draining" and not self.should_exit:
            late = time.monotonic() >= self._until
            if late:
                await self._engine.close()
            self.should_exit = late or not self.server_state.tasks
        return await super().on_tick(counter)
