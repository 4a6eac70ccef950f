"""Completions in OpenAI's shape, and the cards of language models."""

from typing import Any, Literal

from app.http.schema import ModelCard, Schema
from app.tasks.openai import CompletionUsage


class CompletionLogprobs(Schema):
    """The tokens of a text, and their probabilities; four lists of one length."""

    tokens: list[str]
    token_logprobs: list[float | None]
    """Natural logarithms of the model's own probabilities, before temperature and the like; null for the first token of
    a prompt."""
    top_logprobs: list[dict[str, float] | None]
    """Log-probabilities of the likeliest tokens in its place, and its own."""
    text_offset: list[int]
    """Where it begins in `text`, in characters."""


class CompletionChoice(Schema):
    """One of the texts."""

    text: str
    index: int
    """Index of its prompt times n, plus its place among the n."""
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"]
    """`stop`: before a stop string; `length`: after max_tokens."""


class CompletionResponse(Schema):
    """Texts, in the shape of OpenAI's completions."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    """Seconds since 1970."""
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class LanguageModelCard(ModelCard):
    """A model that writes text."""

    task: Literal["text-generation"] = "text-generation"
    """Hugging Face's name of the task."""
    unit: Literal["character", "word"]
    """Whether tokens are characters or words."""
    cell: str
    """Kind of its recurrent layers."""
    num_layers: int
    hidden_size: int
    generation: dict[str, Any]
    """Its defaults for the parameters of a request."""
    characters: str | None
    """The characters that it has read; all others look alike to it. Null where tokens are words."""
    readable_cells: bool
    """True if some of its cells are known to follow something in the text; `/v1/states` lists them."""
