"""Captioning: pictures in, sentences out, over HTTP and on the command line."""

from typing import TYPE_CHECKING, Any

from app.tasks.captioning.command import caption
from app.tasks.task import TaskService

if TYPE_CHECKING:
    from fastapi import APIRouter

    from app.serving.worker import Resources
    from app.tasks.captioning.service import PictureWorker
    from app.tasks.task import Inference
    from model.checkpoint import Checkpoint


def _worker(checkpoint: "Checkpoint[Any, Any]", resources: "Resources") -> "PictureWorker":
    from app.tasks.captioning.service import load_worker

    return load_worker(checkpoint, resources)


def _routers() -> "tuple[APIRouter, ...]":
    from app.tasks.captioning import batch, chat, ibm_max, routes, stream

    return routes.router, batch.router, stream.router, chat.router, ibm_max.router


def _huggingface() -> "Inference":
    from app.routes.huggingface import infer_caption

    return infer_caption


def _fields(checkpoint: "Checkpoint[Any, Any]") -> dict[str, Any]:
    config = checkpoint.config
    return {
        "encoder": config.encoder.name,
        "preprocessing": config.encoder.preprocessing.model_dump(mode="json"),
        "decoder": config.decoder.kind,
        "decoding": config.decoding.model_dump(),
    }


SERVICE = TaskService(
    name="captioning",
    default="flickr8k",
    worker=_worker,
    routers=_routers,
    huggingface=_huggingface,
    fields=_fields,
    network="{encoder}, {decoder}".format_map,
    command=caption,
)
