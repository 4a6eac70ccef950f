"""GET /v1/models and /v1/models/{name}: the models that are served."""

import gzip
import re
from typing import TYPE_CHECKING, Any, Literal, Union

from fastapi import APIRouter, Request, Response

from app.http.contract import Contract
from app.http.dialects import OPENAI, OpenAIErrorResponse
from app.http.schema import ModelCard, Schema
from app.serving.engine import Engine
from app.serving.registry import Registry
from app.tasks import TASKS
from model.checkpoint import Checkpoint

router = APIRouter(tags=["models"])

FRONT_MATTER = re.compile(r"\A---\n.*?^---\n+", re.DOTALL | re.MULTILINE)
"""The part of a card that is for programs."""

if TYPE_CHECKING:
    AnyCard = ModelCard
else:
    AnyCard = Union[tuple(task.card() for task in TASKS.values())]  # noqa: UP007 (each task has a card of its own)


class ModelList(Schema):
    """The models that are served."""

    object: Literal["list"] = "list"
    data: list[AnyCard]


def card_of(checkpoint: Checkpoint[Any, Any], registry: Registry) -> ModelCard:
    """A checkpoint's card."""
    task = TASKS[checkpoint.task.name]
    return task.card()(
        id=checkpoint.name,
        created=checkpoint.created,
        default=registry.defaults[task.name] == checkpoint.name,
        sha256=checkpoint.sha256,
        metrics=checkpoint.metrics,
        card=FRONT_MATTER.sub("", checkpoint.card),
        **task.fields(checkpoint),
    )


def model_list(registry: Registry) -> ModelList:
    """Every checkpoint's card."""
    return ModelList(data=[card_of(checkpoint, registry) for _, checkpoint in sorted(registry.checkpoints.items())])


@router.get("/v1/models", response_model=ModelList)
@Contract(errors=OPENAI)
def list_models(request: Request) -> Response:
    """The models that are served, each with its defaults and its figures."""
    engine: Engine = request.app.state.engine
    body, headers = model_list(engine.registry).model_dump_json().encode(), {"vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):  # the page waits for it, and cards are long
        body, headers["content-encoding"] = gzip.compress(body), "gzip"
    return Response(body, headers=headers, media_type="application/json")


@router.get("/v1/models/{name:path}", responses={404: {"model": OpenAIErrorResponse, "description": "No such model"}})
@Contract(errors=OPENAI)
def get_model(request: Request, name: str) -> AnyCard:
    """One of these models."""
    engine: Engine = request.app.state.engine
    return card_of(engine.get(name), engine.registry)
