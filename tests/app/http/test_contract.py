"""A route's declaration decides on its errors, its limit, its admission and its key; paths are repeated nowhere."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request

from app.http.contract import UNMATCHED, Contract, RouteTable
from app.http.dialects import HUGGING_FACE, IBM_MAX, OPENAI, OWN, Dialect
from app.main import create_app
from app.settings import Settings

Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]


@pytest.fixture(scope="module")
def table(checkpoints: Path) -> RouteTable:
    """The routes of the whole application."""
    return RouteTable(create_app(Settings(checkpoints=checkpoints)).routes)


@pytest.mark.parametrize(
    ("method", "path", "template", "dialect"),
    [
        ("POST", "/v1/captions", "/v1/captions", OWN),
        ("GET", "/v1/captions", "/v1/captions", OWN),
        ("POST", "/v1/completions", "/v1/completions", OPENAI),
        ("GET", "/v1/models/a/b", "/v1/models/{name:path}", OPENAI),
        ("POST", "/models/a/b", "/models/{name:path}", HUGGING_FACE),
        ("POST", "/models/a/v1/chat/completions", "/models/{name:path}/v1/chat/completions", OPENAI),
        ("GET", "/model/metadata", "/model/metadata", IBM_MAX),
        ("GET", "/web/main.js", "/web", OWN),
        ("POST", "/v1/chat/nothing", UNMATCHED, OPENAI),
        ("GET", "/model/labels", UNMATCHED, OWN),  # IBM MAX and Rasa both have routes below /model/
        ("GET", "/v1/captions/nothing", UNMATCHED, OWN),
        ("GET", "/v1/nothing", UNMATCHED, OWN),
        ("GET", "/nothing/at/all", UNMATCHED, OWN),
        ("OPTIONS", "*", UNMATCHED, OWN),
    ],
)
def test_request_finds_its_route_and_dialect(
    table: RouteTable, method: str, path: str, template: str, dialect: Dialect
) -> None:
    match = table.match({"method": method, "path": path})
    assert (match.path, match.contract.errors) == (template, dialect)
    assert match.takes_method == (template != UNMATCHED and not (method == "GET" and path == "/v1/captions"))


def test_new_route_has_limits_by_its_declaration_alone(serve: Serve, ready: Ready, both_checkpoints: Path) -> None:
    router = APIRouter(prefix="/new")

    @router.post("/text")
    @Contract(errors=OPENAI, task="text", body="text")
    async def text(request: Request) -> int:
        return len(await request.body())

    @router.post("/pictures")
    @Contract(errors=HUGGING_FACE, task="captioning", body="batch", open=True)
    async def pictures(request: Request) -> int:
        return len(await request.body())

    keys = (hashlib.sha256(b"key").hexdigest(),)
    settings = Settings(
        checkpoints=both_checkpoints, threads=1, api_keys=keys, max_body_bytes=100, max_batch_bytes=1000
    )
    app = create_app(settings)
    app.include_router(router)
    with serve(app) as client:
        ready(client)
        assert client.post("/new/text").json()["error"]["type"] == "authentication_error"
        assert client.post("/new/pictures", content=b"x" * 1000).json() == 1000
        headers = {"x-api-key": "key"}
        assert client.post("/new/text", content=b"x" * 100, headers=headers).json() == 100
        refused = client.post("/new/text", content=b"x" * 101, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")
        refused = client.post("/new/pictures", content=b"x" * 1001)
        assert (refused.status_code, refused.json().keys()) == (413, {"error", "error_type"})
        app.state.engine.state = "draining"
        for path in ("/new/text", "/new/pictures"):
            assert client.post(path, headers=headers).status_code == 503
        assert client.get("/new/pictures").status_code == 405
