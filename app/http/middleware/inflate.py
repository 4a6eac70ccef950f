"""Compressed bodies, taken out of their compression a piece at a time."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable

from starlette.types import Message

from app.errors import Refusal

CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Content codings (RFC 9110, section 8.4.1) -> zlib's window, which says how the data begins."""
_RAW = -15
"""The window of deflate without zlib's header, which some clients send."""
_PIECE = 250_000
"""Most bytes that are inflated in one go."""


class Inflater:
    """Receives a compressed body, and gives it as it was.

    Args:
        coding: a key of `CODINGS`.
        receive: gives the compressed body.
    """

    def __init__(self, coding: str, receive: Callable[[], Awaitable[Message]]) -> None:
        self._window = CODINGS[coding]
        self._receive = receive
        self._stream = zlib.decompressobj(self._window)
        self._packed = b""
        self._begun = self._pending = self._told = False
        self._last = False
        """True once the last of the compressed body is there."""

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            Refusal: the body is not compressed in this way, or it is cut short.
        """
        while not self._told:
            if self._packed or self._pending:
                if piece := self._inflate():
                    await asyncio.sleep(0)  # a small body may become a large one, and others wait
                    return {"type": "http.request", "body": piece, "more_body": True}
            elif self._last:
                if self._begun and not self._stream.eof:
                    raise Refusal("bad_encoding", "the compressed body is cut short")
                self._told = True
                return {"type": "http.request", "body": b"", "more_body": False}
            else:
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._packed = message.get("body", b"")
                self._last = not message.get("more_body", False)
        return await self._receive()

    def _inflate(self) -> bytes:
        if self._stream.eof:  # another member, of which gzip may have many
            self._stream = zlib.decompressobj(self._window)
        elif not self._begun and self._window == CODINGS["deflate"] and self._packed[0] & 15 != zlib.DEFLATED:
            self._stream = zlib.decompressobj(_RAW)
        self._begun = True
        try:
            piece = self._stream.decompress(self._packed, _PIECE)
        except zlib.error as error:
            raise Refusal(
                "bad_encoding", f"the body is not compressed as its Content-Encoding says: {error}"
            ) from error
        self._packed = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        self._pending = len(piece) == _PIECE and not self._stream.eof
        return piece
