"""Clients that leave before they have their answer."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")


async def while_connected(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` comes to, if the client waits for it; once it has left, the work is cancelled.

    Args:
        request: its body has been read.
        work: what takes long.

    Raises:
        ClientDisconnect: nobody waits for it any more.
        Exception: what `work` raises.
    """
    results: list[T] = []
    failure: Exception = ClientDisconnect()
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            results.append(await work())
        except Exception as error:  # which would come out of the task group as one of a group
            failure = error
        tasks.cancel_scope.cancel()
    if not results:
        raise failure
    return results[0]
