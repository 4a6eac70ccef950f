"""GET /healthz and /readyz: whether the service is alive, and whether it is ready."""

from typing import Literal

from fastapi import APIRouter, Request

from app.http.contract import Contract
from app.http.dialects import ErrorResponse
from app.http.schema import Schema
from app.serving.engine import Engine

router = APIRouter(tags=["health"])


class Status(Schema):
    """The state of the service."""

    status: Literal["ok", "ready"]


@router.get("/healthz")
@Contract(open=True)
async def healthz() -> Status:
    """The process is alive, if perhaps still loading."""
    return Status(status="ok")


@router.get("/readyz", responses={503: {"model": ErrorResponse, "description": "Loading, or shutting down"}})
@Contract(open=True)
async def readyz(request: Request) -> Status:
    """The models are loaded and warm."""
    engine: Engine = request.app.state.engine
    engine.require_ready()
    return Status(status="ready")
