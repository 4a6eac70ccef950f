"""GET /v1/models: what there is to ask."""

from fastapi import APIRouter, Request

from app.engine import Engine
from app.registry import Registry
from app.schemas import ModelCard, ModelList

router = APIRouter(tags=["models"])


def model_list(registry: Registry) -> ModelList:
    """Every checkpoint's card."""
    return ModelList(
        data=[
            ModelCard(
                id=name,
                created=int((checkpoint.path / "config.json").stat().st_mtime),
                task=checkpoint.task,
                default=name == registry.default,
                sha256=checkpoint.sha256,
                encoder=checkpoint.config.encoder.name,
                decoder=checkpoint.config.decoder.kind,
                decoding=checkpoint.config.decoding.model_dump(),
                metrics=checkpoint.metrics,
            )
            for name, checkpoint in sorted(registry.checkpoints.items())
        ]
    )


@router.get("/v1/models")
def list_models(request: Request) -> ModelList:
    """The models that are served, each with its defaults and its figures."""
    engine: Engine = request.app.state.engine
    return model_list(engine.registry)
