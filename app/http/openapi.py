"""Documentation of bodies and answers that FastAPI can't derive by itself."""

from collections.abc import Sequence
from typing import Any

from app.http.dialects import Dialect

Json = dict[str, Any]

FILE: Json = {
    "type": "string",
    "format": "binary",
    "contentMediaType": "application/octet-stream",
    "description": "The picture's file.",
}
TEXT: Json = {"type": "string", "minLength": 1, "description": "The picture: base64, or a data: URI."}
EXAMPLE = "data:image/gif;base64,R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs="
"""A picture."""
BYTES: Json = {kind: {"schema": FILE} for kind in ("application/octet-stream", "image/*")}
"""A picture as the bare body."""

_EVERYWHERE = {
    401: "An API key is needed, and there is none, or one that is not known",
    408: "The body comes too slowly",
    413: "The body is too large",
    429: "Too much waits already, or this client asks too often; Retry-After says when to try again",
    500: "Something went wrong here",
    503: "Loading, or shutting down",
}


def errors(dialect: Dialect, told: dict[int, str]) -> dict[int | str, Json]:
    """Answers that report errors: those of every route, and a route's own by their status."""
    described = sorted((_EVERYWHERE | told).items())
    return {status: {"model": dialect.schema, "description": description} for status, description in described}


def json_content(schema: Json, example: Any) -> Json:
    """A request body in JSON."""
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def event_stream(names: Sequence[str] = (), example: str | None = None) -> Json:
    """The content of an answer in server-sent events (`itemSchema` is new in OpenAPI 3.2; older readers skip it)."""
    properties: Json = {"data": {"type": "string", "description": "JSON."}}
    if names:
        properties["event"] = {"enum": list(names)}
    content: Json = {"itemSchema": {"type": "object", "properties": properties, "required": list(properties)}}
    if example:
        content["example"] = example
    return {"text/event-stream": content}
