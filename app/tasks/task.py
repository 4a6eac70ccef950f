"""A task as the service sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import APIRouter

    from app.http.schema import ModelCard
    from app.serving.worker import Resources, Worker
    from app.tasks.huggingface import Handler
    from model.checkpoint import Checkpoint


@dataclass(frozen=True)
class TaskService:
    """The part of the service that belongs to a task.

    `recap --help` builds it, so all that imports torch or FastAPI is named, as `module:name` in the task's package,
    and imported by the methods.
    """

    name: str
    """Key in `model.tasks.TASKS`, and name of the task's package."""
    default: str
    """Name of the checkpoint that answers when neither a request nor a setting names one."""
    loader: str
    """A function that loads a checkpoint, warms it up and returns its worker."""
    routes: tuple[str, ...]
    """Its routers over HTTP."""
    handler: str
    """Its part of `POST /models/{name}`, Hugging Face's inference contract."""
    schema: str
    """The cards of its models, as /v1/models documents them."""
    fields: Callable[["Checkpoint[Any, Any]"], dict[str, Any]]
    """Fields of a model's card that only this task's cards have."""
    network: Callable[[dict[str, Any]], str]
    """A few words about a network, from those fields, for `recap models`."""
    command: Callable[..., None]
    """Its command under `recap`, a function for typer."""

    def worker(self, checkpoint: "Checkpoint[Any, Any]", resources: "Resources") -> "Worker":
        return self._named(self.loader)(checkpoint, resources)  # type: ignore[no-any-return]

    def routers(self) -> "list[APIRouter]":
        return [self._named(router) for router in self.routes]

    def huggingface(self) -> "Handler":
        return self._named(self.handler)  # type: ignore[no-any-return]

    def card(self) -> "type[ModelCard]":
        return self._named(self.schema)  # type: ignore[no-any-return]

    def _named(self, name: str) -> Any:
        return resolve_name(f"app.tasks.{self.name}.{name}")
