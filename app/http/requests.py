"""HTTP requests to what they carry: uploads in every form that callers send them, and JSON bodies."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import anyio.to_thread
import pybase64
from fastapi import Depends
from pydantic import ConfigDict
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.errors import Refusal
from app.http.body import Body, parse
from app.http.fetch import Fetcher
from app.http.fields import shown, unknown

IMAGE = "image"

AT_ONCE = 1_000_000
"""Most characters of JSON or base64 that are read on the event loop; handing them to a thread would take longer."""
_MOST_FIELDS = 100
"""Most fields of a form besides pictures."""

T = TypeVar("T")
B = TypeVar("B", bound=Body)


class UploadParameters(Body):
    """Parameters of an upload, from query, form and JSON alike. Text is read for what it says: forms have only text."""

    model_config = ConfigDict(strict=False)

    may_be_empty: ClassVar[tuple[str, ...]] = ()
    """Parameters whose value may be the empty string; an empty value of another is as good as none."""


P = TypeVar("P", bound=UploadParameters)


class _FormParser(MultiPartParser):
    spool_max_size = 2**31  # never to disk: the body's size is limited already, and the disk may be read-only


async def read_upload(request: Request, model: type[P]) -> tuple[bytes, P, float]:
    """Read a multipart form, a JSON object, a URL-encoded form, or the bare bytes of a picture.

    Only multipart, which needs its boundary, is recognised by the content type. Otherwise the bytes decide, since many
    clients send a picture or JSON under some other type (curl's default is a form's).

    Args:
        request: whose body has not been read.
        model: the parameters that may stand beside the picture.

    Returns:
        The picture, the parameters, and when the last byte arrived, by `time.perf_counter`.

    Raises:
        Refusal: the body can't be parsed; no picture, several, a URL that is not fetched; a wrong parameter.
    """
    sources, parameters = await _read(request, model, most=1)
    received = time.perf_counter()
    return await _picture(request, sources[0]), parse(model, parameters), received


async def read_uploads(request: Request, model: type[P], most: int) -> tuple[list[bytes | Refusal], P, float]:
    """Read several pictures, up to `most`, which share their parameters: a repeated field, or a list in JSON.

    In the place of a picture that can't be had is the reason.

    Raises:
        Refusal: as `read_upload`, but for what is wrong with a single picture.
    """
    sources, parameters = await _read(request, model, most)
    received = time.perf_counter()

    async def found(source: Source) -> bytes | Refusal:
        try:
            return await _picture(request, source)
        except Refusal as error:
            return error

    return await asyncio.gather(*map(found, sources)), parse(model, parameters), received


Source = bytes | str
"""A picture as it was sent: its bytes, or text that stands for them."""
Fields = list[tuple[str, Any]]


async def _read(request: Request, model: type[P], most: int) -> tuple[list[Source], dict[str, Any]]:
    query = request.query_params.multi_items()
    if any(name == IMAGE for name, _ in query):
        raise Refusal("unknown_parameter", "a picture does not fit into the query; send it as the body", IMAGE)
    merge(model, query)  # what is wrong with the query can be told before the body has come
    content_type = request.headers.get("content-type", "").lower()
    if content_type.startswith("multipart/"):
        sources, fields = await _read_multipart(request, most)
    else:
        body = await request.body()
        # No picture begins with a brace, and a form begins with a parameter's name.
        if body.lstrip()[:1] == b"{" or ("json" in content_type and body and body.isascii()):
            sources, fields = await _aside(_parse_json, body, model, most)
        elif _is_form(body, model):
            sources, fields = await anyio.to_thread.run_sync(_parse_form, body)
        else:
            sources, fields = [body], []
    if not sources:
        raise Refusal("missing_image", "there is no field 'image'; it holds the picture", IMAGE)
    if len(sources) > most:
        raise _too_many(f"{len(sources)}", most)
    return sources, merge(model, query, fields)


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


def _too_many(found: str, most: int) -> Refusal:
    return Refusal("too_many_images", f"there are {found} images; a request takes {most}", IMAGE)


async def _picture(request: Request, source: Source) -> bytes:
    return source if isinstance(source, bytes) else await picture_of(request, source)


async def picture_of(request: Request, text: str, field: str = IMAGE) -> bytes:
    """The picture that a string stands for: base64, a data: URI, or a URL, where the operator allows those.

    Args:
        request: which has it.
        text: the string.
        field: the request's field that it stands in.

    Raises:
        Refusal: it does not stand for a picture.
    """
    if re.match(r"\s*https?:", text[:64], re.IGNORECASE):
        fetcher: Fetcher = request.app.state.fetcher
        return await fetcher.fetch(text, field)
    if "%" in text:  # which is slow
        return await anyio.to_thread.run_sync(decode_picture, text, field)
    return await _aside(decode_picture, text, field)


async def _aside(parser: Callable[..., T], text: str | bytes, *arguments: Any) -> T:
    """Parse a text, on another thread if that may take long."""
    if len(text) <= AT_ONCE:
        return parser(text, *arguments)
    return await anyio.to_thread.run_sync(parser, text, *arguments)


async def read_body(request: Request, model: type[B]) -> B:
    """The body of an API that takes JSON alone, as its model.

    FastAPI would read it under JSON's types alone, on the event loop whatever its size, and accept NaN and lone
    surrogates.

    Raises:
        Refusal: it is not a JSON object; see `app.http.body.parse`.
    """
    return parse(model, await _read_json(request))


def json_body(model: type[B]) -> Any:
    """A route's parameter that is its JSON body: `asked: Annotated[Model, json_body(Model)]`."""

    async def read(request: Request) -> B:
        return await read_body(request, model)

    return Depends(read)


async def _read_json(request: Request) -> dict[str, Any]:
    """The body of an API that takes JSON alone, whatever type it declares: curl's default is a form's.

    Raises:
        Refusal: not a JSON object; not even declared to be JSON.
    """
    body = await request.body()
    declared = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        return await _aside(json_object, body)
    except Refusal as error:
        if declared and "json" not in declared.lower() and body.lstrip()[:1] not in (b"{", b"["):
            message = f"the body is {declared[:100]!r}; a JSON object is needed, as application/json"
            raise Refusal("unsupported_media_type", message) from error
        raise


def json_object(body: bytes) -> dict[str, Any]:
    """A body's JSON object.

    Raises:
        Refusal: it is something else.
    """
    try:
        document = from_json(body)
    except ValueError as error:
        raise Refusal("bad_json", f"the body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise Refusal("bad_json", f"the body is a JSON {type(document).__name__}; an object is needed")
    return {name: _whole(value) for name, value in document.items()}


def _whole(value: Any) -> Any:
    """Numbers without a fraction as integers, also in objects: JSON has one kind of number, 3 is 3.0."""
    if isinstance(value, dict):
        return {name: _whole(part) for name, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


async def _read_multipart(request: Request, most: int) -> tuple[list[Source], Fields]:
    most_files = max(most, 8)
    try:
        async with aclosing(request.stream()) as stream:
            # Text is held to no less than a file: an image may come as base64, and the body as a whole is limited.
            parser = _FormParser(
                request.headers, stream, max_files=most_files, max_fields=_MOST_FIELDS + most, max_part_size=2**31
            )
            form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many(f"more than {most_files}", most) from error
        hint = ": let the client set the content-type itself" if "boundary" in error.message else ""
        raise Refusal("bad_form", f"{error.message.rstrip('.')}{hint}") from error
    try:
        sources: list[Source] = []
        fields: Fields = []
        for name, value in form.multi_items():
            if name == IMAGE:
                sources.append(await value.read() if isinstance(value, UploadFile) else value)
            elif isinstance(value, UploadFile):
                message = f"there is a file in {name[:100]!r}; a picture belongs in 'image'"
                raise Refusal("unknown_parameter", message, name[:100])
            else:
                fields.append((name, value))
        return sources, fields
    finally:
        await form.close()


def _is_form(body: bytes, model: type[UploadParameters]) -> bool:
    name, equals, _ = body[:64].partition(b"=")
    return equals == b"=" and name.decode("latin-1") in (IMAGE, *model.model_fields) and body.isascii()


def _parse_form(body: bytes) -> tuple[list[Source], Fields]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Refusal("bad_form", f"a form may have {_MOST_FIELDS} fields") from error
    return [value for name, value in pairs if name == IMAGE], [pair for pair in pairs if pair[0] != IMAGE]


def _parse_json(body: bytes, model: type[UploadParameters], most: int) -> tuple[list[Source], Fields]:
    document = json_object(body)
    image = document.pop(IMAGE, None)
    images = image if isinstance(image, list) and most > 1 else [] if image is None else [image]
    if any(not isinstance(image, str) for image in images):
        needed = "base64 or a data: URI is needed" if most == 1 else "a list of base64 or data: URIs is needed"
        raise Refusal("invalid_parameter", f"image is not text; {needed}", IMAGE)
    parse(model, {name: value for name, value in document.items() if not isinstance(value, str)}, strict=True)
    return images, list(document.items())


def decode_picture(text: str, field: str = IMAGE) -> bytes:
    """A picture in a string: base64, of either alphabet and wrapped or not, or a data: URI.

    Args:
        text: the string.
        field: the request's field that it stands in.

    Raises:
        Refusal: neither of these; a URL.
    """
    scheme = re.match(r"\s*([a-z][a-z0-9+.-]+):", text[:64], re.IGNORECASE)
    if scheme and scheme[1].lower() == "data":
        header, comma, text = text.partition(",")
        if not comma:
            message = "this data: URI has no comma; data:image/jpeg;base64,... is needed"
            raise Refusal("bad_base64", message, field)
        if not header.lower().rstrip().endswith(";base64"):
            return unquote_to_bytes(text)
        for code, character in _ESCAPES:
            text = text.replace(code, character)
    elif scheme:
        message = f"{scheme[1][:20]}: URLs are not fetched; send the picture's bytes, or base64 of them"
        raise Refusal("url_not_fetched", message, field)
    try:
        return _decode(text)
    except ValueError as error:
        message = f"{field} is not base64; to upload a file, use a form's file field, or send its bytes as the body"
        raise Refusal("bad_base64", message, field) from error


_ESCAPES = [(f"%{code:02{case}}", chr(code)) for code in b"+/=\r\n " for case in "xX"]
"""Escapes that base64 in a URI may have. To look for others takes a hundred times the memory of the text."""
_ALPHABET = bytes.maketrans(b" -_", b"++/")
"""A plus sign in a form that was not URL-encoded arrives as a space."""


def _decode(text: str) -> bytes:
    """Base64 as most send it takes a tenth of the time that it takes to look for what others do."""
    with suppress(ValueError):
        return pybase64.b64decode(text, validate=True)
    data = text.strip().encode("ascii").translate(_ALPHABET, b"\r\n\t").rstrip(b"=")
    return pybase64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
