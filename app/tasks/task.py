"""A task as the service sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import APIRouter

    from app.http.card import ModelCard
    from app.serving.worker import Resources, Worker
    from app.tasks.huggingface import Handler
    from model.checkpoint import Checkpoint


@dataclass(frozen=True)
class TaskService:
    """The part of the service that belongs to a task.

    `recap --help` builds it, so its functions import torch and FastAPI only when they are called.
    """

    name: str
    """Key in `model.tasks.TASKS`."""
    default: str
    """Name of the checkpoint that answers when neither a request nor a setting names one."""
    worker: "Callable[[Checkpoint[Any, Any], Resources], Worker]"
    """Loads a checkpoint, warms it up and returns its worker."""
    routers: "Callable[[], tuple[APIRouter, ...]]"
    """Its routes over HTTP."""
    huggingface: "Callable[[], Handler]"
    """Its part of `POST /models/{name}`, Hugging Face's inference contract."""
    card: "Callable[[], type[ModelCard]]"
    """The cards of its models, as /v1/models documents them."""
    fields: "Callable[[Checkpoint[Any, Any]], dict[str, Any]]"
    """Fields of a model's card that only this task's cards have."""
    network: Callable[[dict[str, Any]], str]
    """A few words about a network, from those fields, for `recap models`."""
    command: Callable[..., None]
    """Its command under `recap`, a function for typer."""
