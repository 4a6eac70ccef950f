"""The schema of the model that answered, and of its card in /v1/models, as far as all tasks share it."""

from typing import Any, Literal

from app.http.schema import Schema


class ModelInfo(Schema):
    """The model that answered."""

    name: str
    sha256: str
    """Digest of its weights."""


class ModelCard(Schema):
    """A model that can be asked for, in the shape of OpenAI's list, and more."""

    id: str
    """Value of the parameter `model`."""
    object: Literal["model"] = "model"
    created: int
    """Seconds since 1970."""
    owned_by: Literal["recap"] = "recap"
    default: bool
    """Answers when a request for this task names no model."""
    sha256: str
    """Digest of its weights."""
    metrics: dict[str, Any]
    """Its figures, and the data and command they come from."""
    card: str
    """Its model card, in Markdown."""
