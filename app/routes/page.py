"""GET / and what is under /web/: the page, whose files a browser is given as they are."""

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

mimetypes.add_type("text/javascript", ".js")  # whatever the machine says: browsers run nothing else as a module


class _Files(StaticFiles):
    """Files of that folder."""

    def file_response(
        self, full_path: "str | PathLike[str]", stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Browsers keep them, and ask each time whether they are still the same: so page and server never disagree."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


class _Index(_Files):
    """The one that all begins with."""

    def get_path(self, scope: Scope) -> str:
        return "index.html"


OPEN = Contract(open=True)


@OPEN
def _favicon(request: Request) -> Response:
    """Tells browsers that the icon is elsewhere: they ask for this one without a key before they have read the page."""
    raise HTTPException(404)


routes = (  # compressed where that makes a file smaller and the browser reads it
    Route("/", OPEN(GZipMiddleware(_Index(directory=WEB)))),
    Route("/favicon.ico", _favicon),
    Mount("/web", OPEN(GZipMiddleware(_Files(directory=WEB)))),
)
