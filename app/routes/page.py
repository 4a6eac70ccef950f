"""GET / and /web/: the page, whose files are served as they stand."""

import mimetypes
from os import PathLike, stat_result
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.http.contract import Contract

WEB = Path(__file__).parent.parent / "web"

mimetypes.add_type("text/javascript", ".js")  # overrides the machine's own table: browsers run nothing else as a module


class _Files(StaticFiles):
    """The files of a folder."""

    def file_response(
        self, full_path: "str | PathLike[str]", stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Let browsers keep a file, but ask each time whether it has changed: page and server never disagree."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


class _Index(_Files):
    """The page itself."""

    def get_path(self, scope: Scope) -> str:
        return "index.html"


OPEN = Contract(open=True)


@OPEN
def _favicon(request: Request) -> Response:
    """Answer 404 also to callers without a key: browsers ask for this icon before they have read the page."""
    raise HTTPException(404)


routes = (  # compressed where that makes a file smaller and the browser reads it
    Route("/", OPEN(GZipMiddleware(_Index(directory=WEB)))),
    Route("/favicon.ico", _favicon),
    Mount("/web", OPEN(GZipMiddleware(_Files(directory=WEB)))),
)
