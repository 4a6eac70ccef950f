"""What goes wrong, as an answer: `{"error": {"code", "message", "field"?, "request_id"}}`, never a stack trace.

APIs that others have defined answer in their own shape: `_SHAPES`.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

REQUEST_ID = "x-request-id"

logger = logging.getLogger(__name__)


class ApiError(Exception):
    """Something the caller can act on.

    Args:
        status: HTTP status of the answer.
        code: short, stable name for programs.
        message: for people: what was wrong and what would be right.
        field: the request's field to blame, if it is one field.
        headers: more headers for the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = headers


Shape = tuple[int, dict[str, Any]]
"""Status and body of an answer."""


def draining() -> ApiError:
    """What is new is refused while the server stops, and what takes too long by then is given up."""
    headers = {"retry-after": "10", "connection": "close"}
    return ApiError(503, "draining", "the server is shutting down", headers=headers)


def _own_shape(error: ApiError, request_id: str) -> Shape:
    """As `schemas.ErrorResponse` has it."""
    body = {"code": error.code, "message": error.message, "field": error.field, "request_id": request_id}
    if error.field is None:
        del body["field"]
    return error.status, {"error": body}


def _openai_shape(error: ApiError, request_id: str) -> Shape:
    """As the `openai` client expects it; it knows no 422, and takes the id from the header."""
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    code = {"unknown_model": "model_not_found", "queue_full": "rate_limit_exceeded"}.get(error.code, error.code)
    body = {"message": error.message, "type": kind, "param": error.field, "code": code}
    return 400 if error.status == 422 else error.status, {"error": body}


def _huggingface_shape(error: ApiError, request_id: str) -> Shape:
    """As Hugging Face's text-generation-inference has it, whose kinds of error `huggingface_hub` turns into its own."""
    kinds = {400: "validation", 422: "validation", 429: "overloaded"}
    kind = kinds.get(error.status, "generation" if error.status >= 500 else error.code)
    return error.status, {"error": error.message, "error_type": kind}


def _max_shape(error: ApiError, request_id: str) -> Shape:
    """As IBM's Model Asset Exchange has it, where what is wrong with a request is always a 400."""
    return 400 if error.status in (415, 422) else error.status, {"status": "error", "message": error.message}


_SHAPES = (
    (re.compile(r"/v1/(completions|chat/.*|models(/.*)?)"), _openai_shape),
    (re.compile(r"/models/.*/v1/chat/completions"), _openai_shape),
    (re.compile(r"/models/.*"), _huggingface_shape),
    (re.compile(r"/model/.*"), _max_shape),
)


def tell(error: ApiError, scope: Scope) -> Shape:
    """`error` in the shape that the request of `scope` knows; counted and logged with it, also within an answer."""
    scope["state"].setdefault("errors", []).append(error.code)
    shape = next((shape for paths, shape in _SHAPES if paths.fullmatch(scope["path"])), _own_shape)
    return shape(error, scope["state"]["request_id"])


def error_response(error: ApiError, scope: Scope) -> JSONResponse:
    """The answer that tells the request of `scope` about `error`."""
    status, body = tell(error, scope)
    return JSONResponse(body, status, headers=error.headers)


def unexpected(error: Exception, scope: Scope) -> ApiError:
    """What to tell the client of an error that is none of its business; the log has all of it."""
    request_id = scope["state"]["request_id"]
    logger.error("request %s failed: %s %s", request_id, scope["method"], scope["path"], exc_info=error)
    return ApiError(500, "internal_error", f"something went wrong here; the log tells more under {request_id}")


class RequestIdMiddleware:
    """Gives each request an id, sends it back as x-request-id, and answers what nobody expected with a bare 500.

    A caller's own id is kept where it is short and harmless, so that its logs and ours can be read together.
    """

    _harmless = re.compile(r"[A-Za-z0-9._:-]{1,128}")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wished = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = wished if self._harmless.fullmatch(wished) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except asyncio.CancelledError:  # the server has been told to stop at once, or its patience is at an end
                if not started:
                    await error_response(draining(), scope)(scope, receive, send_with_id)
                raise
            except Exception as error:
                told = unexpected(error, scope)
                if started:
                    raise  # too late to answer: the server cuts the connection, so that the caller sees it is not whole
                await error_response(told, scope)(scope, receive, send_with_id)


def _answer(request: Request, error: ApiError) -> Response:
    return error_response(error, request.scope)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _answer(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    message = error.detail
    if error.status_code == 404:
        message = f"nothing is at {request.url.path}; /docs shows what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} does not work on {request.url.path}; {allowed or 'another method'} does"
    return _answer(request, ApiError(error.status_code, code, message, headers=error.headers))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or None
    message = f"{field}: {first['msg']}" if field else first["msg"]
    return _answer(request, ApiError(422, "invalid_parameter", message, field))


async def _disconnect(request: Request, error: Exception) -> Response:
    logger.info("request %s: the client left before its answer", request.state.request_id)
    return Response(status_code=499)  # nginx's number for it; goes nowhere


def install_error_handlers(app: FastAPI) -> None:
    """Makes `app` answer every exception in the one shape."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _disconnect)
