"""Text: prompts in, continuations out, over HTTP and on the command line."""

from typing import TYPE_CHECKING, Any

from app.tasks.task import TaskService
from app.tasks.text.command import generate

if TYPE_CHECKING:
    from fastapi import APIRouter

    from app.http.card import ModelCard
    from app.serving.continuous import TextWorker
    from app.serving.worker import Resources
    from app.tasks.huggingface import Handler
    from model.checkpoint import Checkpoint


def _worker(checkpoint: "Checkpoint[Any, Any]", resources: "Resources") -> "TextWorker":
    from app.tasks.text.service import load_worker

    return load_worker(checkpoint, resources)


def _routers() -> "tuple[APIRouter, ...]":
    from app.tasks.text import openai

    return (openai.router,)


def _huggingface() -> "Handler":
    from app.tasks.text.huggingface import HANDLER

    return HANDLER


def _card() -> "type[ModelCard]":
    from app.tasks.text.schemas import LanguageModelCard

    return LanguageModelCard


def _fields(checkpoint: "Checkpoint[Any, Any]") -> dict[str, Any]:
    config = checkpoint.config
    return {
        "unit": config.unit,
        "cell": config.cell,
        "num_layers": config.num_layers,
        "hidden_size": config.hidden_size,
        "generation": config.generation.model_dump(),
    }


SERVICE = TaskService(
    name="text",
    default="shakespeare",
    worker=_worker,
    routers=_routers,
    huggingface=_huggingface,
    card=_card,
    fields=_fields,
    network="{num_layers} x {hidden_size} {cell}, {unit}s".format_map,
    command=generate,
)
