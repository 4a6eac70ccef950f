"""Models, and how the server is."""

from typing import Any, Literal

from app.http.schema import Schema


class _ModelCard(Schema):
    """A model that can be asked for, in the shape of OpenAI's list, and more."""

    id: str
    """What the parameter `model` takes."""
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


class CaptionerCard(_ModelCard):
    """A model that describes pictures."""

    task: Literal["image-to-text"] = "image-to-text"
    """Hugging Face's name of what it does."""
    encoder: str
    preprocessing: dict[str, Any]
    """From a picture to what the encoder sees. Where `resize` is `crop`, that is the square in its middle, whose side
    is `crop_fraction` of the picture's shorter one, and attention lies over that square alone."""
    decoder: str
    decoding: dict[str, Any]
    """Its defaults for the parameters of a request."""


class LanguageModelCard(_ModelCard):
    """A model that writes text."""

    task: Literal["text-generation"] = "text-generation"
    """Hugging Face's name of what it does."""
    unit: Literal["character", "word"]
    """What a token is."""
    cell: str
    """Kind of its recurrent layers."""
    num_layers: int
    hidden_size: int
    generation: dict[str, Any]
    """Its defaults for the parameters of a request."""


class ModelList(Schema):
    """The models that are served."""

    object: Literal["list"] = "list"
    data: list[CaptionerCard | LanguageModelCard]


class Status(Schema):
    """How the service is."""

    status: Literal["ok", "ready"]
