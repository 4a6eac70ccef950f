"""The base of all answers, and the schemas of models, as far as all tasks share them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

UNLESS_NONE = Field(exclude_if=lambda value: value is None)
"""Leaves a field out of the answer when it is None."""


class Schema(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


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
