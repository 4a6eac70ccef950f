"""GET / and /web/: the page, as plain files. Only two slots of index.html are filled in."""

import hashlib
import mimetypes
import posixpath
import re
from os import PathLike, stat_result
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from app.http.contract import Contract

WEB = Path(__file__).parent.parent / "web"

mimetypes.add_type("text/javascript", ".js")  # overrides the machine's own table: browsers run nothing else as a module

# Browsers keep the files, but ask each time whether they are still current: so page and server never disagree.
_CACHING = {"cache-control": "no-cache"}
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)"', re.MULTILINE)
_VIEW = re.compile(r'^\s*import\("\./([^"]+)\.js"\)', re.MULTILINE)
_SLOT = re.compile(r"^ *<!-- (links|first view): .*-->\n", re.MULTILINE)


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
    """Return index.html with its two slots filled, so that the first view is drawn as early as possible.

    One is for links to the views' styles and to the modules: without the latter, a browser would learn of each module
    only after reading the one that imports it. The other is for what the first view shows before any script has run.
    """
    names = views(web)
    styles = [f"views/{name}.css" for name in names if (web / "views" / f"{name}.css").exists()]
    links = [f'  <link rel="stylesheet" href="web/{style}">\n' for style in styles]
    links += [f'  <link rel="modulepreload" href="web/{module}">\n' for module in modules(web)[1:]]
    first = web / "views" / f"{names[0]}.html"
    slots = {"links": "".join(links), "first view": first.read_text(encoding="utf-8") if first.exists() else ""}
    return _SLOT.sub(lambda slot: slots[slot[1]], (web / "index.html").read_text(encoding="utf-8"))


class _Files(StaticFiles):
    def file_response(
        self, full_path: "str | PathLike[str]", stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_CACHING)
        return response


OPEN = Contract(open=True)


@OPEN
def _favicon(request: Request) -> Response:
    """Answer 404 also to callers without a key: browsers ask for this icon before they have read the page."""
    raise HTTPException(404)


def page_routes(web: Path = WEB) -> list[BaseRoute]:
    """Return the routes that serve this folder. Files are compressed where that makes them smaller."""
    page = index(web)
    headers = _CACHING | {"etag": f'"{hashlib.sha256(page.encode()).hexdigest()[:32]}"'}

    @OPEN
    async def root(request: Request) -> Response:
        response = Response(page, media_type="text/html", headers=headers)
        if request.headers.get("if-none-match", "").removeprefix("W/") == headers["etag"]:
            return NotModifiedResponse(response.headers)
        return response

    return [
        Route("/", root, middleware=[Middleware(GZipMiddleware)]),
        Route("/favicon.ico", _favicon),
        Mount("/web", OPEN(GZipMiddleware(_Files(directory=web)))),
    ]


routes = page_routes()
