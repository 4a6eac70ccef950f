"""The open connections: as many as there are file descriptors for, and room among them for whoever comes next."""

import errno
import logging
from asyncio import AbstractEventLoop
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

MOST_CONNECTIONS = 10_000
"""Most connections, however many descriptors there are: each takes some 20 kB."""
RESERVE = 32
"""Descriptors left to everything else: files, and pictures that are fetched."""
FEWEST_CONNECTIONS = 8
_EXHAUSTED = errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM

logger = logging.getLogger(__name__)


class Guest(Protocol):
    """A connection, as far as the crowd knows it."""

    answering: int
    """Requests that are being answered."""
    sending: bool
    """True while the client is sending the last of them."""

    def abort(self) -> None:
        """Ends the connection at once."""


class Crowd:
    """The open connections, those first that have been silent for the longest time.

    Beyond `most` of them the idlest is ended: one without a request, else one whose request is still being sent. If all
    are being answered, it is the newcomer that has to go.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._guests: dict[Guest, None] = {}
        self._quiet_until = 0.0
        """When the log may say again that descriptors ran out, by the loop's clock."""

    def enter(self, guest: Guest) -> None:
        if len(self._guests) >= self.most:
            (self._idlest() or guest).abort()
        self._guests[guest] = None

    def touch(self, guest: Guest) -> None:
        """Note that a connection was not silent."""
        if guest in self._guests:
            del self._guests[guest]
            self._guests[guest] = None

    def leave(self, guest: Guest) -> None:
        self._guests.pop(guest, None)

    def _idlest(self, *, sending: bool = True) -> Guest | None:
        """Takes out the connection that is missed the least: one that has no request, or else may be sending it."""
        idle = (guest for guest in self._guests if not guest.answering)
        slow = (guest for guest in self._guests if guest.sending and sending)
        guest = next(idle, None) or next(slow, None)
        if guest:
            self.leave(guest)
        return guest

    def handle_error(self, loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop's handler of exceptions: ends some connections when descriptors run out all the same.

        asyncio tries to accept again and again, and tells each time; the log has it once a second.
        """
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _EXHAUSTED and "socket" in context):
            loop.default_exception_handler(context)
        elif loop.time() >= self._quiet_until:
            self._quiet_until = loop.time() + 1
            loop.call_later(0.1, self._make_room, error)  # once all that were accepted have entered

    def _make_room(self, error: OSError) -> None:
        ended, before = 0, len(self._guests)
        crowded = before >= self.most // 2  # else those that were ended a moment ago still hold their descriptors
        while ended < RESERVE and (guest := self._idlest(sending=crowded and not ended)):
            guest.abort()
            ended += 1
        message = "a connection can't be accepted: %s; of %d, the %d idlest are ended"
        logger.error(message, error.strerror, before, ended)


def find_room() -> int:
    """Raises the process's limit of open files as far as it may, and returns how many connections there is room for."""
    with suppress(ImportError, OSError, ValueError):  # a system that has no such limits, or holds on to its own
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit != resource.RLIM_INFINITY:
            room = limit - RESERVE - len(list(Path("/dev/fd").iterdir()))
            return max(FEWEST_CONNECTIONS, min(room, MOST_CONNECTIONS))
    return MOST_CONNECTIONS
