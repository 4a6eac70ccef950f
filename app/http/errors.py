"""Refusals and failures as answers: each has a status, and the body of the route's dialect; never a stack trace."""

import html
import logging
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from app.errors import Refusal
from app.http.contract import Match
from app.http.dialects import Shape

logger = logging.getLogger(__name__)

_NOTHING = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Nothing is here · Recap</title>
<link rel="stylesheet" href="{root}web/shell/base.css">
</head>
<body>
<main class="empty">
<h1>Nothing is here</h1>
<p>This address leads nowhere. <a href="{root}">Recap's page</a> is there, and <a href="{root}docs">the API</a>
lists every request that is answered.</p>
</main>
</body>
</html>
"""


_CODES = {
    400: "bad_base64 bad_encoding bad_form bad_json bad_series damaged_audio damaged_image empty_audio empty_image "
    "not_an_image",
    401: "invalid_api_key missing_api_key",
    404: "unknown_model",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_audio unsupported_format unsupported_media_type",
    422: "audio_too_large conflicting_parameter image_too_large invalid_parameter missing_audio missing_image "
    "prompt_too_long too_many_images unknown_parameter url_failed url_not_allowed url_not_fetched",
    429: "bodies_full queue_full rate_limit_exceeded",
    500: "internal_error",
    503: "draining failed loading",
    504: "deadline_exceeded",
}
STATUS = {code: status for status, codes in _CODES.items() for code in codes.split()}
"""Code of a refusal -> status of the answer."""


class HttpRefusal(Refusal):
    """A request that the framework refuses before a route is reached, with the framework's status and headers."""

    def __init__(self, error: HTTPException, message: str) -> None:
        super().__init__(HTTPStatus(error.status_code).name.lower(), message)
        self.status = error.status_code
        self.headers = dict(error.headers or {})


def status_of(error: Refusal) -> int:
    """The status of the answer; a dialect may replace it."""
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


def tell(error: Exception, scope: Scope) -> Shape:
    """Status and body of an error in the dialect of the request's route. It is counted, and logged with the request.

    An error that is no refusal is none of the client's business: the log has all of it, the answer its number.
    """
    refusal = error if isinstance(error, Refusal) else unexpected(error, scope)
    scope["state"].setdefault("errors", []).append(refusal.code)
    match: Match = scope["state"]["match"]
    return match.contract.errors.shape(refusal, status_of(refusal), scope["state"]["request_id"])


def error_response(error: Exception, scope: Scope) -> JSONResponse:
    """The answer to the request of `scope`."""
    status, body = tell(error, scope)
    return JSONResponse(body, status, headers=_headers(error) if isinstance(error, Refusal) else None)


def unexpected(error: Exception, scope: Scope) -> Refusal:
    """Log an error that is not the client's business, and return what the client is told instead."""
    request_id = scope["state"]["request_id"]
    logger.error("request %s failed: %s %s", request_id, scope["method"], scope["path"], exc_info=error)
    return Refusal("internal_error", f"something went wrong here; the log tells more under {request_id}")


async def _refusal(request: Request, error: Refusal) -> Response:
    return error_response(error, request.scope)


async def _http_error(request: Request, error: HTTPException) -> Response:
    message = error.detail
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        error_response(HttpRefusal(error, error.detail), request.scope)  # counted and logged as any other
        return HTMLResponse(_NOTHING.format(root=html.escape(request.base_url.path)), 404)
    if error.status_code == 404:
        message = f"nothing is at {request.url.path}; /docs shows what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        if allowed == "GET":
            error = HTTPException(405, headers={"Allow": (allowed := "GET, HEAD")})
        message = f"{request.method} does not work on {request.url.path}; {allowed or 'another method'} does"
    return error_response(HttpRefusal(error, message), request.scope)


async def _validation_error(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"][1:])) or None
    message = f"{field}: {first['msg']}" if field else first["msg"]
    return error_response(Refusal("invalid_parameter", message, field), request.scope)


async def _disconnect(request: Request, error: ClientDisconnect) -> Response:
    logger.info("request %s: the client left before its answer", request.state.request_id)
    return Response(status_code=499)  # nginx's number for it; goes nowhere


HANDLERS: dict[int | type[Exception], Any] = {
    Refusal: _refusal,
    HTTPException: _http_error,
    RequestValidationError: _validation_error,
    ClientDisconnect: _disconnect,
}
"""Exception -> its answer, in the dialect of the route."""
