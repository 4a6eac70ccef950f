"""What goes wrong, as an answer: `{"error": {"code", "message", "field"?, "request_id"}}`, never a stack trace.

APIs that others have defined answer in their own shape: `_SHAPES`.
"""

import logging
import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from app.errors import Refusal

logger = logging.getLogger(__name__)


STATUS = {
    "bad_base64": 400,
    "bad_form": 400,
    "bad_json": 400,
    "damaged_image": 400,
    "empty_image": 400,
    "not_an_image": 400,
    "invalid_api_key": 401,
    "missing_api_key": 401,
    "unknown_model": 404,
    "body_too_slow": 408,
    "body_too_large": 413,
    "unsupported_format": 415,
    "unsupported_media_type": 415,
    "conflicting_parameter": 422,
    "image_too_large": 422,
    "invalid_parameter": 422,
    "missing_image": 422,
    "prompt_too_long": 422,
    "too_many_images": 422,
    "unknown_parameter": 422,
    "url_failed": 422,
    "url_not_allowed": 422,
    "url_not_fetched": 422,
    "bodies_full": 429,
    "queue_full": 429,
    "rate_limit_exceeded": 429,
    "internal_error": 500,
    "draining": 503,
    "failed": 503,
    "loading": 503,
    "deadline_exceeded": 504,
}
"""Code of a refusal -> status of the answer."""

Shape = tuple[int, dict[str, Any]]
"""Status and body of an answer."""


class HttpRefusal(Refusal):
    """What the framework refuses before a route is reached, with the status and headers that it gives."""

    def __init__(self, error: HTTPException, message: str) -> None:
        phrase = HTTPStatus(error.status_code).phrase
        super().__init__(phrase.lower().replace(" ", "_").replace("-", "_"), message)
        self.status = error.status_code
        self.headers = dict(error.headers or {})


def status_of(error: Refusal) -> int:
    """The status of the answer, before a contract has its way with it."""
    return error.status if isinstance(error, HttpRefusal) else STATUS[error.code]


def _headers(error: Refusal) -> dict[str, str]:
    headers = error.headers if isinstance(error, HttpRefusal) else {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if status_of(error) == 401:
        headers["www-authenticate"] = "Bearer"
    if error.code == "draining":
        headers["connection"] = "close"
    return headers


def _own_shape(error: Refusal, status: int, request_id: str) -> Shape:
    """As `schemas.ErrorResponse` has it."""
    body = {"code": error.code, "message": error.message, "field": error.field, "request_id": request_id}
    if error.field is None:
        del body["field"]
    return status, {"error": body}


def _openai_shape(error: Refusal, status: int, request_id: str) -> Shape:
    """As the `openai` client expects it; it knows no 422, and takes the id from the header."""
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = {"unknown_model": "model_not_found", "queue_full": "rate_limit_exceeded"}.get(error.code, error.code)
    body = {"message": error.message, "type": kind, "param": error.field, "code": code}
    return 400 if status == 422 else status, {"error": body}


def _huggingface_shape(error: Refusal, status: int, request_id: str) -> Shape:
    """As Hugging Face's text-generation-inference has it, whose kinds of error `huggingface_hub` turns into its own."""
    kinds = {400: "validation", 422: "validation", 429: "overloaded"}
    kind = kinds.get(status, "generation" if status >= 500 else error.code)
    return status, {"error": error.message, "error_type": kind}


def _max_shape(error: Refusal, status: int, request_id: str) -> Shape:
    """As IBM's Model Asset Exchange has it, where what is wrong with a request is always a 400."""
    return 400 if status in (415, 422) else status, {"status": "error", "message": error.message}


_SHAPES = (
    (re.compile(r"/v1/(completions|chat/.*|models(/.*)?)"), _openai_shape),
    (re.compile(r"/models/.*/v1/chat/completions"), _openai_shape),
    (re.compile(r"/models/.*"), _huggingface_shape),
    (re.compile(r"/model/.*"), _max_shape),
)


def tell(error: Refusal, scope: Scope) -> Shape:
    """`error` in the shape that the request of `scope` knows; counted and logged with it, also within an answer."""
    scope["state"].setdefault("errors", []).append(error.code)
    shape = next((shape for paths, shape in _SHAPES if paths.fullmatch(scope["path"])), _own_shape)
    return shape(error, status_of(error), scope["state"]["request_id"])


def error_response(error: Refusal, scope: Scope) -> JSONResponse:
    """The answer that tells the request of `scope` about `error`."""
    status, body = tell(error, scope)
    return JSONResponse(body, status, headers=_headers(error))


def unexpected(error: Exception, scope: Scope) -> Refusal:
    """What to tell the client of an error that is none of its business; the log has all of it."""
    request_id = scope["state"]["request_id"]
    logger.error("request %s failed: %s %s", request_id, scope["method"], scope["path"], exc_info=error)
    return Refusal("internal_error", f"something went wrong here; the log tells more under {request_id}")


def _answer(request: Request, error: Refusal) -> Response:
    return error_response(error, request.scope)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code == 404:
        message = f"nothing is at {request.url.path}; /docs shows what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} does not work on {request.url.path}; {allowed or 'another method'} does"
    return _answer(request, HttpRefusal(error, message))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or None
    message = f"{field}: {first['msg']}" if field else first["msg"]
    return _answer(request, Refusal("invalid_parameter", message, field))


async def _disconnect(request: Request, error: Exception) -> Response:
    logger.info("request %s: the client left before its answer", request.state.request_id)
    return Response(status_code=499)  # nginx's number for it; goes nowhere


def install_error_handlers(app: FastAPI) -> None:
    """Makes `app` answer every exception in the one shape."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _disconnect)
