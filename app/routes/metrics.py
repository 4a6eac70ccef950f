"""GET /metrics: counts and measurements for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from app.serving.engine import Engine

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Everything that is counted and measured, in the text format of Prometheus, or in OpenMetrics on request."""
    engine: Engine = request.app.state.engine
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(engine.metrics.registry), media_type=content_type)
