"""Counts, times and logs each request.

Metrics and log repeat nothing that a client sent beyond its method and path: no picture, no text, no query.
"""

import logging
import time
from collections.abc import Sequence
from urllib.parse import quote

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.contract import RouteTable
from app.serving.metrics import Metrics

_CLIENT_LEFT = 499
"""nginx's status of a request whose client left before the answer."""

access = logging.getLogger("recap.access")


class TelemetryMiddleware:
    """Counts, times and logs every request, and finds its route. The outermost, so that it sees the final answer.

    Paths are counted by the template of their route, so that clients can't make up new ones.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[BaseRoute]) -> None:
        self.app = app
        self.metrics = metrics
        self.routes = RouteTable(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        match = scope.setdefault("state", {})["match"] = self.routes.match(scope)
        status, size, whole, head = _CLIENT_LEFT, 0, False, scope["method"] == "HEAD"

        async def watched(message: Message) -> None:
            nonlocal status, size, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += 0 if head else len(message.get("body", b""))
                whole = not message.get("more_body", False)
            await send(message)

        self.metrics.in_flight.inc()
        try:
            # uvicorn leaves out the body, by the scope that it keeps (RFC 9110, section 9.3.2: else the answer to GET).
            await self.app({**scope, "method": "GET"} if head and match.takes_method else scope, receive, watched)
        finally:
            self.metrics.in_flight.dec()
            seconds = time.perf_counter() - started
            reasons = scope["state"].get("errors", ())
            for reason in reasons:
                self.metrics.rejections.labels(reason).inc()
            self.metrics.requests.labels(_method(scope), match.path, status).inc()
            self.metrics.request_seconds.labels(match.path).observe(seconds)
            access.info(
                "request",
                extra={
                    "request_id": scope["state"].get("request_id"),
                    **scope["state"].get("trace", {}),
                    "method": _method(scope),
                    "route": match.path,
                    "path": quote(scope["path"])[:200],
                    "status": status,
                    "error": ", ".join(dict.fromkeys(reasons)) or None,
                    "bytes": size,
                    "whole": whole,
                    "ms": round(1000 * seconds, 1),
                    "client": scope["client"][0] if scope.get("client") else None,
                },
            )


def _method(scope: Scope) -> str:
    """The request's method, or `other`: clients may make any up."""
    known = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
