"""GET / and /web/: the page, as plain files. Only the links in its head are generated."""

import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Iterator
from os import PathLike, stat_result
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parent.parent / "web"

mimetypes.add_type("text/javascript", ".js")  # whatever the machine says: browsers run nothing else as a module

# Browsers keep the files, but ask each time whether they are still current: so page and server never disagree.
_CACHING = {"cache-control": "no-cache"}
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)"', re.MULTILINE)
_VIEW = re.compile(r'^\s*import\("\./([^"]+)\.js"\)', re.MULTILINE)
_LINKS = re.compile(r"^  <!-- .*page\.py.* -->\n", re.MULTILINE)


def views(web: Path = WEB) -> list[str]:
    """Return the names of the views, in the order of the navigation; a task's view has the task's name."""
    return _VIEW.findall((web / "views" / "index.js").read_text(encoding="utf-8"))


def modules(web: Path = WEB) -> list[str]:
    """Return the paths of the modules that the page needs before it can show its first view, below `web`.

    These are the main module, the views, and whatever they import statically, directly or not.
    """
    found = ["shell/main.js", *(f"views/{name}.js" for name in views(web))]
    for module in found:  # which grows meanwhile
        source = (web / module).read_text(encoding="utf-8")
        imported = (posixpath.normpath(f"{posixpath.dirname(module)}/{path}") for path in _IMPORT.findall(source))
        found += dict.fromkeys(path for path in imported if path not in found)
    return found


def index(web: Path = WEB) -> str:
    """Return index.html with links to the views' styles, and to the modules, which the browser thus fetches at once.

    Without the links to modules, it would learn of each only after reading the one that imports it.
    """

    def links() -> Iterator[str]:
        for name in views(web):
            if (web / "views" / f"{name}.css").exists():
                yield f'  <link rel="stylesheet" href="web/views/{name}.css">\n'
        for module in modules(web)[1:]:
            yield f'  <link rel="modulepreload" href="web/{module}">\n'

    page, count = _LINKS.subn("".join(links()), (web / "index.html").read_text(encoding="utf-8"))
    assert count == 1
    return page


class _Files(StaticFiles):
    def file_response(
        self, full_path: "str | PathLike[str]", stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_CACHING)
        return response


def page_routes(web: Path = WEB) -> list[BaseRoute]:
    """Return the routes that serve this folder. Files are compressed where that makes them smaller."""
    page = index(web)
    headers = _CACHING | {"etag": f'"{hashlib.sha256(page.encode()).hexdigest()[:32]}"'}

    async def root(request: Request) -> Response:
        response = Response(page, media_type="text/html", headers=headers)
        if request.headers.get("if-none-match", "").removeprefix("W/") == headers["etag"]:
            return NotModifiedResponse(response.headers)
        return response

    compressed = [Middleware(GZipMiddleware)]
    return [
        Route("/", root, middleware=compressed),
        Mount("/web", _Files(directory=web), middleware=compressed),
    ]


routes = page_routes()
