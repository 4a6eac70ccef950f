"""Error bodies: Recap's own, and those of the APIs that others have defined."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict

from app.errors import Refusal
from app.http.schema import UNLESS_NONE, Schema

Shape = tuple[int, dict[str, Any]]
"""Status and body of an answer."""


@dataclass(frozen=True)
class Dialect:
    """A way to report errors."""

    schema: type[Schema]
    """The body, as `/openapi.json` documents it."""
    shape: Callable[[Refusal, int, str], Shape]
    """Status and body for a refusal, its own status and the request's id."""


class ErrorBody(Schema):
    """An error."""

    code: str
    """A short, stable name, for programs."""
    message: str
    """For people: what was wrong and what would be right."""
    field: Annotated[str | None, UNLESS_NONE] = None
    """The field to blame, if it is one field."""
    request_id: str
    """Also in the header x-request-id, and in the server's log."""


_EXAMPLE = Refusal("invalid_parameter", "beam_size='99': input should be less than or equal to 10", "beam_size")


def _own(error: Refusal, status: int, request_id: str) -> Shape:
    field = {} if error.field is None else {"field": error.field}
    return status, {"error": {"code": error.code, "message": error.message, **field, "request_id": request_id}}


class ErrorResponse(Schema):
    """Every answer that is not a success."""

    model_config = ConfigDict(json_schema_extra={"example": _own(_EXAMPLE, 422, "9f3b2c1d")[1]})

    error: ErrorBody


OWN = Dialect(ErrorResponse, _own)
"""Recap's own: `{"error": {"code", "message", "field"?, "request_id"}}`."""


class OpenAIErrorBody(Schema):
    """An error in OpenAI's words."""

    message: str
    """For people: what was wrong and what would be right."""
    type: Literal["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"]
    param: str | None
    """The parameter to blame, if it is one parameter."""
    code: str
    """A short, stable name, for programs."""


class OpenAIErrorResponse(Schema):
    """Every answer of OpenAI's API that is not a success."""

    error: OpenAIErrorBody


def _openai(error: Refusal, status: int, request_id: str) -> Shape:
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = {"unknown_model": "model_not_found", "queue_full": "rate_limit_exceeded"}.get(error.code, error.code)
    body = {"message": error.message, "type": kind, "param": error.field, "code": code}
    return 400 if status == 422 else status, {"error": body}


OPENAI = Dialect(OpenAIErrorResponse, _openai)
"""The shape that the `openai` client expects; it has no 422, and takes the request's id from the header."""


class HuggingFaceError(Schema):
    """An error in the words of Hugging Face's text-generation-inference."""

    error: str
    """For people: what was wrong and what would be right."""
    error_type: str


def _hugging_face(error: Refusal, status: int, request_id: str) -> Shape:
    kinds = {400: "validation", 422: "validation", 429: "overloaded"}
    kind = kinds.get(status, "generation" if status >= 500 else error.code)
    return status, {"error": error.message, "error_type": kind}


HUGGING_FACE = Dialect(HuggingFaceError, _hugging_face)
"""The shape of Hugging Face's text-generation-inference; `huggingface_hub` raises an exception for each kind."""


class MaxError(Schema):
    """An error in the words of IBM's Model Asset Exchange."""

    status: Literal["error"]
    message: str
    """For people: what was wrong and what would be right."""


def _ibm_max(error: Refusal, status: int, request_id: str) -> Shape:
    return 400 if status in (415, 422) else status, {"status": "error", "message": error.message}


IBM_MAX = Dialect(MaxError, _ibm_max)
"""The shape of IBM's Model Asset Exchange, where a faulty request is always a 400."""
