"""HTTP requests: what they carry, in every form that callers send it, and work that ends when the client leaves."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar, TypeVar

import anyio.to_thread
from pydantic import ConfigDict
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from app.errors import Refusal, body_too_large
from app.http.body import Body, parse
from app.http.encoded import decode
from app.http.fetch import Fetcher
from app.http.fields import shown, unknown
from app.http.forms import IMAGE, Fields, parse_multipart, parse_urlencoded, too_many

AT_ONCE = 1_000_000
"""Most characters of JSON or base64 that are read on the event loop; handing them to a thread would take longer."""
WIDE_BYTES = 20_000_000
"""Bytes of JSON from which on its strings must have one byte a character, as base64 has."""
_SLICE = 1_000_000
"""Bytes that are looked at in one go."""
MAX_MARKS = 500_000
"""Most lists, objects and commas in JSON: each costs a value, which may take forty times the memory of its text."""

T = TypeVar("T")
B = TypeVar("B", bound=Body)


class UploadParameters(Body):
    """Parameters of an upload, from query, form and JSON alike. Text is read for what it says: forms have only text."""

    model_config = ConfigDict(strict=False)

    may_be_empty: ClassVar[tuple[str, ...]] = ()
    """Parameters whose value may be the empty string; an empty value of another is as good as none."""


P = TypeVar("P", bound=UploadParameters)


Source = bytes | str
"""A picture as it was sent: its bytes, or text that stands for them."""


async def read_upload(request: Request, model: type[P]) -> tuple[bytes, P, float]:
    """Read a multipart form, a JSON object, a URL-encoded form, or the bare bytes of a picture.

    Only multipart, which needs its boundary, is recognised by the content type. Otherwise the bytes decide, since many
    clients send a picture or JSON under some other type (curl's default is a form's).

    Returns:
        The picture, the parameters, and when the last byte arrived, by `time.perf_counter`.

    Raises:
        Refusal: the body can't be parsed; no picture, several, a URL that is not fetched; a wrong parameter.
    """
    sources, parameters, received = await _read(request, model, most=1)
    return await picture_of(request, sources[0]), parse(model, parameters), received


class Remote:
    """A picture that is fetched from its URL once it can be decoded, so that few are in memory at a time.

    Args:
        turns: one for each picture of the request that may be there at the same time.
    """

    def __init__(self, request: Request, url: str, turns: asyncio.Semaphore) -> None:
        self._request, self._url, self._turns = request, url, turns

    @asynccontextmanager
    async def fetched(self) -> AsyncIterator[bytes]:
        """Its bytes, which count as held until the context is left; raises what `picture_of` does."""
        async with self._turns:
            data = await picture_of(self._request, self._url)
            try:
                yield data
            finally:
                self._request.scope["state"]["body"].release(len(data))


async def read_uploads(
    request: Request, model: type[P], most: int, at_once: int
) -> tuple[list[bytes | Remote | Refusal], P, float]:
    """Read several pictures, up to `most`, which share their parameters: a repeated field, or a list in JSON.

    In the place of a picture that can't be had is the reason. Of those that are fetched, `at_once` are there at a time.

    Raises:
        Refusal: as `read_upload`, but for what is wrong with a single picture.
    """
    sources, parameters, received = await _read(request, model, most)
    turns = asyncio.Semaphore(at_once)

    async def found(source: Source) -> bytes | Remote | Refusal:
        try:
            if isinstance(source, str) and _is_url(source):
                return Remote(request, source, turns)
            return await picture_of(request, source)
        except Refusal as error:
            return error

    return await asyncio.gather(*map(found, sources)), parse(model, parameters), received


async def _read(request: Request, model: type[P], most: int) -> tuple[list[Source], dict[str, Any], float]:
    query = request.query_params.multi_items()
    if any(name == IMAGE for name, _ in query):
        raise Refusal("unknown_parameter", "a picture does not fit into the query; send it as the body", IMAGE)
    merge(model, query)  # what is wrong with the query can be told before the body has come
    content_type = request.headers.get("content-type", "").lower()
    if content_type.startswith("multipart/"):
        async with aclosing(request.stream()) as stream:
            fields = await parse_multipart(request.headers["content-type"], stream, most)
    else:
        body = await body_of(request)
        # No picture begins with a brace, and a form begins with a parameter's name.
        if is_object(body) or ("json" in content_type and body and body.isascii()):
            fields = await _aside(_parse_json, body, model, most)
        elif _is_form(body, model):
            fields = await _aside(parse_urlencoded, body)
        else:
            fields = [(IMAGE, body)]
        del body  # which may be large, and is held by what was read of it, if at all
    sources = [value for name, value in fields if name == IMAGE]
    if not sources:
        raise Refusal("missing_image", "there is no field 'image'; it holds the picture", IMAGE)
    if len(sources) > most:
        raise too_many(len(sources), most)
    merged = merge(model, query, (pair for pair in fields if pair[0] != IMAGE))
    return sources, merged, time.perf_counter()


def merge(model: type[UploadParameters], *sources: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Names and values of all sources in one; a null, or an empty value in a form, counts as not given.

    Raises:
        Refusal: an unknown name, or one name with two values.
    """
    merged: dict[str, Any] = {}
    for name, value in (pair for source in sources for pair in source):
        if name not in model.model_fields:
            raise unknown(name, (IMAGE, *model.model_fields))
        if value is None or (value == "" and name not in model.may_be_empty):
            continue
        # Text compares with JSON's values by the way both are written: 3 and "3", true and "True".
        if name in merged and str(merged[name]).lower() != str(value).lower():
            message = f"{name} is both {shown(merged[name])} and {shown(value)}"
            raise Refusal("conflicting_parameter", message, name)
        merged[name] = value
    return merged


async def picture_of(request: Request, source: Source, field: str = IMAGE) -> bytes:
    """A picture by its bytes, or by text that stands for it: base64, a data: URI, or a URL where those are allowed.

    Raises:
        Refusal: the text, in this field of the request, does not stand for a picture.
    """
    if isinstance(source, bytes):
        return source
    if _is_url(source):
        fetcher: Fetcher = request.app.state.fetcher
        try:
            return await fetcher.fetch(source, request.scope["state"]["body"])
        except Refusal as error:
            error.field = field
            raise
    return await _aside(decode, source, field)


def _is_url(source: str) -> bool:
    return re.match(r"\s*https?:", source[:64], re.IGNORECASE) is not None


async def _aside(parser: Callable[..., T], text: str | bytes, *arguments: Any) -> T:
    """Parse a text, on another thread if that may take long."""
    if len(text) <= AT_ONCE:
        return parser(text, *arguments)
    return await anyio.to_thread.run_sync(parser, text, *arguments)


async def body_of(request: Request, most: int | None = None) -> bytes:
    """The body, which the request does not keep.

    Raises:
        Refusal: it has more bytes than `most`.
    """
    pieces, size = [], 0
    async with aclosing(request.stream()) as stream:
        async for piece in stream:
            size += len(piece)
            if most and size > most:
                raise body_too_large(most)
            pieces.append(piece)
    return b"".join(pieces)


def is_object(body: bytes) -> bool:
    """Tell whether a body begins as a JSON object does."""
    return body[:100].lstrip()[:1] == b"{"


async def read_body(request: Request, model: type[B], most: int | None = None) -> B:
    """The body of an API that takes JSON alone, whatever type it declares: curl's default is a form's.

    FastAPI would read it under JSON's types alone, on the event loop whatever its size, and accept NaN and lone
    surrogates.

    Raises:
        Refusal: it is not a JSON object; not even declared to be JSON; has more bytes than `most`; see
            `app.http.body.parse`.
    """
    return await parse_body(request, await body_of(request, most), model)


async def parse_body(request: Request, body: bytes, model: type[B]) -> B:
    """The body that has been read as JSON; raises what `read_body` does."""
    try:
        document = await _aside(_json_object, body)
    except Refusal as error:
        declared = request.headers.get("content-type", "").partition(";")[0].strip()
        if declared and "json" not in declared.lower() and body[:100].lstrip()[:1] not in (b"{", b"["):
            message = f"the body is {declared[:100]!r}; a JSON object is needed, as application/json"
            raise Refusal("unsupported_media_type", message) from error
        raise
    return parse(model, document)


def _json_object(body: bytes) -> dict[str, Any]:
    _require_affordable(body)
    try:
        document = from_json(body)
    except ValueError as error:
        raise Refusal("bad_json", f"the body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise Refusal("bad_json", f"the body is a JSON {type(document).__name__}; an object is needed")
    return {name: _whole(value) for name, value in document.items()}


def _require_affordable(body: bytes) -> None:
    """Refuse JSON that would take much more memory than its text. It is looked at in slices, so that others go on."""
    marks = start = 0
    while start < len(body) > MAX_MARKS:
        piece = body[start : start + _SLICE]
        if len(piece) == _SLICE and b"\\" in piece[-6:]:  # an escape is not to be cut
            piece = piece[: piece.rindex(b"\\")]
        start += len(piece)
        marks += piece.count(b",") + piece.count(b"[") + piece.count(b"{")
        if marks > MAX_MARKS:
            raise Refusal("bad_json", f"the body has more than {MAX_MARKS:,} lists, objects and commas")
        wide = not piece.isascii() or piece.count(b"\\u") > piece.count(b"\\u00")
        if wide and len(body) > WIDE_BYTES:
            message = f"a body of more than {WIDE_BYTES:,} bytes may have ASCII alone; other text fits into the query"
            raise Refusal("bad_json", message)


def _whole(value: Any) -> Any:
    """Numbers without a fraction as integers, also in objects: JSON has one kind of number, 3 is 3.0."""
    if isinstance(value, dict):
        return {name: _whole(part) for name, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_form(body: bytes, model: type[UploadParameters]) -> bool:
    name, equals, _ = body[:64].partition(b"=")
    return equals == b"=" and name.decode("latin-1") in (IMAGE, *model.model_fields) and body.isascii()


def _parse_json(body: bytes, model: type[UploadParameters], most: int) -> Fields:
    document = _json_object(body)
    image = document.pop(IMAGE, None)
    images = image if isinstance(image, list) and most > 1 else [] if image is None else [image]
    if any(not isinstance(image, str) for image in images):
        needed = "base64 or a data: URI is needed" if most == 1 else "a list of base64 or data: URIs is needed"
        raise Refusal("invalid_parameter", f"image is not text; {needed}", IMAGE)
    parse(model, {name: value for name, value in document.items() if not isinstance(value, str)}, strict=True)
    return [*((IMAGE, image) for image in images), *document.items()]


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled once the client has left; the request's body has been read.

    Raises:
        ClientDisconnect: the client has left.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.create_task(_disconnected(request))
    watcher.add_done_callback(lambda _: task.cancel())
    try:
        return await task
    except asyncio.CancelledError:
        if watcher.done():
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
