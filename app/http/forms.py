"""Forms to fields, multipart and URL-encoded: a few of them, at a cost in proportion to the bytes."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from app.errors import Refusal
from app.http.encoded import unescaped

Fields = list[tuple[str, Any]]
"""Names and values, in the order in which they came; those named `IMAGE` are pictures."""

IMAGE = "image"

MAX_FIELDS = 100
"""Most fields of a form besides pictures."""
MAX_URLENCODED = 20_000_000
"""Longest URL-encoded form: to decode it takes several copies."""
_LONG = 100_000
"""Characters from which on a value can only be base64, or the file itself."""
_SLICE = 65_536
"""Bytes that are parsed in one go; some take a hundred times as long as others, and the event loop waits."""

_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"')
_FILENAME = re.compile(rb";\s*filename\*?\s*=", re.IGNORECASE)


def parse_urlencoded(body: bytes) -> Fields:
    """The fields of a URL-encoded form. Letters may stand there as they are, as curl sends them.

    Raises:
        Refusal: it is too long or no UTF-8, or there are too many.
    """
    if len(body) > MAX_URLENCODED:
        raise Refusal("bad_form", f"a URL-encoded form may have {MAX_URLENCODED:,} bytes; multipart may have more")
    if body.count(b"&") >= MAX_FIELDS:
        raise Refusal("bad_form", f"a form may have {MAX_FIELDS} fields")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Refusal("bad_form", f"the form is not UTF-8: {error.reason} at byte {error.start}") from error
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return [(_plain(name), _plain(value)) for name, _, value in pairs]


def _plain(text: str) -> str:
    text = text.replace("+", " ")
    if len(text) <= _LONG:
        return unquote(text)
    text = unescaped(text)
    return unquote(text[:_LONG]) + text[_LONG:]


def too_many(found: int | str, most: int) -> Refusal:
    """The refusal of a request that has more pictures than it may have."""
    return Refusal("too_many_images", f"there are {found} images; a request takes {most}", IMAGE)


async def parse_multipart(content_type: str, body: AsyncIterator[bytes], most: int, file: str = IMAGE) -> Fields:
    """The fields of a multipart form: files as bytes, text as text.

    Args:
        content_type: with the boundary; a character set is passed over.
        body: in pieces.
        most: pictures that the request may have, as files or as text.
        file: the field that files belong in.

    Raises:
        Refusal: it can't be parsed, or has too many parts.
    """
    parts = _Parts(most, file)
    try:
        boundary = parse_options_header(content_type)[1][b"boundary"]
        parser = MultipartParser(boundary, parts.callbacks)  # type: ignore[arg-type]
        async for piece in body:
            for start in range(0, len(piece), _SLICE):
                parser.write(piece[start : start + _SLICE])
                await asyncio.sleep(0)
        parser.finalize()
    except KeyError:
        raise Refusal("bad_form", "there is no boundary: let the client set the content-type itself") from None
    except FormParserError as error:
        raise Refusal("bad_form", f"invalid multipart data: {error}") from error
    return parts.fields


class _Parts:
    """The parts of a multipart form, as its parser finds them."""

    def __init__(self, most: int, file: str) -> None:
        self.fields: Fields = []
        self._most, self._file = most, file
        self._files, self._texts = max(most, 8), MAX_FIELDS + most
        """Parts that may still come."""
        self.callbacks = {name: getattr(self, name) for name in dir(self) if name.startswith("on_")}

    def on_part_begin(self) -> None:
        self._name, self._value, self._is_file = "", bytearray(), False
        self._disposition, self._header, self._content = b"", b"", b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._content
        self._header = self._content = b""

    def on_headers_finished(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"name")
        if name is None:
            raise Refusal("bad_form", "a part has no name: Content-Disposition has a name for each")
        self._name = _text(name)
        # A name in the extended notation too: RFC 7578 is against it, but it is said of files alone.
        self._is_file = bool(_FILENAME.search(_QUOTED.sub(b"", self._disposition)))
        self._files -= self._is_file
        self._texts -= not self._is_file
        if self._files < 0:
            raise too_many(f"more than {max(self._most, 8)}", self._most)
        if self._texts < 0:
            raise Refusal("bad_form", f"a form may have {MAX_FIELDS} fields besides pictures")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_part_end(self) -> None:
        if self._is_file and self._name != self._file:
            what = "a picture" if self._file == IMAGE else "it"
            message = f"there is a file in {self._name[:100]!r}; {what} belongs in {self._file!r}"
            raise Refusal("unknown_parameter", message, self._name[:100])
        self.fields.append((self._name, bytes(self._value) if self._is_file else _text(self._value)))
        self._value = bytearray()


def _text(data: bytes | bytearray) -> str:
    """Read UTF-8, whatever the form declares, or else Latin-1, as a long text: it can only be base64.

    One character beyond Latin-1 would make it four times as long in memory.
    """
    if len(data) <= _LONG:
        with suppress(UnicodeDecodeError):
            return data.decode()
    return data.decode("latin-1")
