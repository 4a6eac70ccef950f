"""A task as the service sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import APIRouter

    from app.http.card import ModelCard
    from app.tasks.huggingface import Handler
    from model.checkpoint import Checkpoint


@dataclass(frozen=True)
class TaskService:
    """What a task adds to the service.

    `recap --help` builds it, so its functions import torch and FastAPI only when they are called.
    """

    name: str
    """As in `model.tasks.TASKS`."""
    routers: "Callable[[], tuple[APIRouter, ...]]"
    """Its routes over HTTP."""
    huggingface: "Callable[[], Handler]"
    """Its part of `POST /models/{name}`, Hugging Face's inference contract."""
    card: "Callable[[], type[ModelCard]]"
    """The cards of its models, as /v1/models documents them."""
    fields: "Callable[[Checkpoint[Any, Any]], dict[str, Any]]"
    """What the card of a model tells of its network, besides what the cards of all tasks tell."""
