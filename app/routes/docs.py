"""GET /docs: the API, to read and to try, as a page of this server's own."""

import html

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.http.contract import Contract
from app.routes.page import WEB

router = APIRouter()

_SLOT = "<!-- routes -->"


@router.get("/docs", include_in_schema=False)
@Contract(open=True)
async def docs(request: Request) -> HTMLResponse:
    """Return the page, which a script fills from `/openapi.json`; without scripts it has a list of the routes."""
    paths = request.app.openapi()["paths"]
    lines = [
        f"<li><code>{method.upper()} {html.escape(path)}</code> {html.escape(operation.get('summary', ''))}</li>"
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    page = (WEB / "reference" / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(page.replace(_SLOT, "\n".join(lines)))
