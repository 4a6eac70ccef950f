"""GET / and what is under /web/: the page, whose files a browser is given as they are."""

import mimetypes
from os import PathLike, stat_result
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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


# Compressed where that makes them smaller and the browser reads it.
routes = (Route("/", GZipMiddleware(_Index(directory=WEB))), Mount("/web", GZipMiddleware(_Files(directory=WEB))))
