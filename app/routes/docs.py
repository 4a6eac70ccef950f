"""GET /docs: the API, to read and to try."""

import hashlib
import re
from base64 import b64encode

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from app.http.contract import Contract

router = APIRouter()

_CDN = "https://cdn.jsdelivr.net"


@router.get("/docs", include_in_schema=False)
@Contract(open=True)
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI. Its script comes from a CDN, which this page alone allows, beside the one script in the page."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    page = get_swagger_ui_html(openapi_url=f"{root}/openapi.json", title="Recap", swagger_favicon_url="data:,")
    scripts = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)
    digests = " ".join(f"'sha256-{b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    page.headers["content-security-policy"] = (
        f"default-src 'none'; script-src {_CDN} {digests}; style-src {_CDN} 'unsafe-inline'; "
        f"img-src 'self' data: {_CDN}; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return page
