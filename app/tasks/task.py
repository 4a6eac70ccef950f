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
    """A task's part of the service.

    `recap --help` builds it, so its functions import torch and FastAPI only when they are called.
    """

    name: str
    """Its name in `model.tasks.TASKS`."""
    routers: "Callable[[], tuple[APIRouter, ...]]"
    """Its routes over HTTP."""
    huggingface: "Callable[[], Handler]"
    """Its part of `POST /models/{name}`, Hugging Face's inference contract."""
    card: "Callable[[], type[ModelCard]]"
    """The cards of its models, as /v1/models documents them."""
    fields: "Callable[[Checkpoint[Any, Any]], dict[str, Any]]"
    """The fields of a model's card that are particular to the task."""
