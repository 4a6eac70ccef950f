"""Captioning: pictures in, sentences out, over HTTP and on the command line."""

from typing import TYPE_CHECKING, Any

from app.tasks.captioning.command import caption
from app.tasks.task import TaskService

if TYPE_CHECKING:
    from fastapi import APIRouter

    from app.http.card import ModelCard
    from app.serving.worker import Resources
    from app.tasks.captioning.service import PictureWorker
    from app.tasks.huggingface import Handler
    from model.checkpoint import Checkpoint


def _worker(checkpoint: "Checkpoint[Any, Any]", resources: "Resources") -> "PictureWorker":
    from app.tasks.captioning.service import load_worker

    return load_worker(checkpoint, resources)


def _routers() -> "tuple[APIRouter, ...]":
    from app.tasks.captioning import batch, ibm_max, openai, routes, stream

    return routes.router, batch.router, stream.router, openai.router, ibm_max.router


def _huggingface() -> "Handler":
    from app.tasks.captioning.huggingface import HANDLER

    return HANDLER


def _card() -> "type[ModelCard]":
    from app.tasks.captioning.schemas import CaptionerCard

    return CaptionerCard


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
    card=_card,
    fields=_fields,
    network="{encoder}, {decoder}".format_map,
    command=caption,
)
