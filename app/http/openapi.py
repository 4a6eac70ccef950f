"""What /openapi.json says of bodies and answers that FastAPI can't find out by itself."""

from collections.abc import Mapping, Sequence
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


def errors(dialect: Dialect, told: Mapping[int, str]) -> dict[int | str, Json]:
    """Answers that report errors: those of every route, and a route's own.

    Args:
        dialect: the route's.
        told: status -> its meaning on this route.
    """
    return {
        status: {"model": dialect.schema, "description": description}
        for status, description in sorted({**_EVERYWHERE, **told}.items())
    }


def json_body(schema: Json, example: Any) -> Json:
    """A body in JSON."""
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def or_null(schema: Json) -> Json:
    """A value that counts as not given when it is null."""
    if "anyOf" in schema:
        parts = schema["anyOf"]
        return schema if {"type": "null"} in parts else schema | {"anyOf": [*parts, {"type": "null"}]}
    about: Json = {key: schema[key] for key in ("description", "title", "default") if key in schema}
    return {"anyOf": [{key: value for key, value in schema.items() if key not in about}, {"type": "null"}]} | about


def unsupported(parameters: Mapping[str, tuple[str, Sequence[Any]]]) -> dict[str, Json]:
    """Parameters that must say nothing: name -> why, and which values say nothing."""
    return {
        name: {"enum": list(values), "description": f"Not supported: {why}."}
        for name, (why, values) in parameters.items()
    }


def closed(properties: Mapping[str, Json], required: Sequence[str] = ()) -> Json:
    """An object of these properties alone, of which the others may be null."""
    return {
        "type": "object",
        "properties": {name: schema if name in required else or_null(schema) for name, schema in properties.items()},
        "required": list(required),
        "additionalProperties": False,
    }


def event_stream(names: Sequence[str] = (), example: str | None = None) -> Json:
    """Content of an answer of server-sent events (`itemSchema` is of OpenAPI 3.2; others skip it).

    Args:
        names: of the events, where they have some.
        example: of a stream.
    """
    properties: Json = {"data": {"type": "string", "description": "JSON."}}
    if names:
        properties["event"] = {"enum": list(names)}
    content: Json = {"itemSchema": {"type": "object", "properties": properties, "required": list(properties)}}
    if example:
        content["example"] = example
    return {"text/event-stream": content}
