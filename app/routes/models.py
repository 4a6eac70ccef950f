"""GET /v1/models and /v1/models/{name}: what there is to ask."""

from typing import Any

from fastapi import APIRouter, Request

from app.http.contract import Contract
from app.http.dialects import OPENAI, OpenAIErrorResponse
from app.schemas.models import CaptionerCard, LanguageModelCard, ModelList
from app.serving.engine import Engine
from app.serving.registry import Registry
from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING

router = APIRouter(tags=["models"])


def _card(checkpoint: Checkpoint[Any, Any], registry: Registry) -> CaptionerCard | LanguageModelCard:
    shared: dict[str, Any] = {
        "id": checkpoint.name,
        "created": int((checkpoint.path / "config.json").stat().st_mtime),
        "default": registry.is_default(checkpoint),
        "sha256": checkpoint.sha256,
        "metrics": checkpoint.metrics,
        "card": checkpoint.card,
    }
    if checkpoint.task is CAPTIONING:
        return CaptionerCard(
            **shared,
            encoder=checkpoint.config.encoder.name,
            preprocessing=checkpoint.config.encoder.preprocessing.model_dump(mode="json"),
            decoder=checkpoint.config.decoder.kind,
            decoding=checkpoint.config.decoding.model_dump(),
        )
    return LanguageModelCard(
        **shared,
        unit=checkpoint.config.unit,
        cell=checkpoint.config.cell,
        num_layers=checkpoint.config.num_layers,
        hidden_size=checkpoint.config.hidden_size,
        generation=checkpoint.config.generation.model_dump(),
    )


def model_list(registry: Registry) -> ModelList:
    """Every checkpoint's card."""
    return ModelList(data=[_card(checkpoint, registry) for _, checkpoint in sorted(registry.checkpoints.items())])


@router.get("/v1/models")
@Contract(errors=OPENAI)
def list_models(request: Request) -> ModelList:
    """The models that are served, each with its defaults and its figures."""
    engine: Engine = request.app.state.engine
    return model_list(engine.registry)


@router.get("/v1/models/{name:path}", responses={404: {"model": OpenAIErrorResponse, "description": "No such model"}})
@Contract(errors=OPENAI)
def get_model(request: Request, name: str) -> CaptionerCard | LanguageModelCard:
    """One of these models."""
    engine: Engine = request.app.state.engine
    return _card(engine.get(name), engine.registry)
