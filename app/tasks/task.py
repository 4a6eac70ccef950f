"""A task as the service sees it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.requests import Request

    from app.serving.engine import Engine
    from app.serving.worker import Resources, Worker
    from model.checkpoint import Checkpoint

    Inference = Callable[[Request, Engine, Checkpoint[Any, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class TaskService:
    """What a task adds to the service.

    `recap --help` builds it, so its functions import torch and FastAPI only when they are called.
    """

    name: str
    """As in `model.tasks.TASKS`."""
    default: str
    """Name of the checkpoint that answers when neither a request nor a setting names one."""
    worker: "Callable[[Checkpoint[Any, Any], Resources], Worker]"
    """Loads a checkpoint, warms it up and returns its worker."""
    routers: "Callable[[], tuple[APIRouter, ...]]"
    """Its routes over HTTP."""
    huggingface: "Callable[[], Inference]"
    """Answers `POST /models/{name}`, Hugging Face's inference contract."""
    fields: "Callable[[Checkpoint[Any, Any]], dict[str, Any]]"
    """What the card of a model tells of its network, besides what the cards of all tasks tell."""
    network: Callable[[dict[str, Any]], str]
    """A few words about a network, from those fields, for `recap models`."""
    command: Callable[..., None]
    """Its command under `recap`, a function for typer."""
