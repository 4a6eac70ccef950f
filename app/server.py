"""uvicorn's server, with an end to its patience."""

import asyncio
import socket

import uvicorn

from app.engine import Engine


class Server(uvicorn.Server):
    """Waits for what is in flight when it is stopped, but not for ever: a text may take minutes.

    Args:
        config: of uvicorn.
        engine: its texts end with an error when the time is up.
        drain_seconds: how long that is.
    """

    def __init__(self, config: uvicorn.Config, engine: Engine, drain_seconds: float) -> None:
        super().__init__(config)
        self._engine = engine
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuses what is new, and returns when nothing is in flight."""
        self._engine.state = "draining"
        end = asyncio.create_task(self._end_texts())
        await super().shutdown(sockets)
        end.cancel()

    async def _end_texts(self) -> None:
        await asyncio.sleep(self._drain_seconds)
        await self._engine.close()
