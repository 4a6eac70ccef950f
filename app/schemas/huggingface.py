"""Answers in the shape of Hugging Face's."""

from typing import Annotated, Literal

from app.http.schema import UNLESS_NONE, Schema


class HuggingFaceToken(Schema):
    """A token, as Hugging Face's text-generation-inference tells it."""

    id: int
    text: str
    logprob: float | None
    """Natural logarithm of its probability; null for the first token of a prompt."""
    special: bool


class HuggingFaceDetails(Schema):
    """How a text was written."""

    finish_reason: Literal["length", "stop_sequence"]
    generated_tokens: int
    seed: int | None
    prefill: list[HuggingFaceToken]
    """The prompt's, with decoder_input_details."""
    tokens: list[HuggingFaceToken]
    top_tokens: Annotated[list[list[HuggingFaceToken]] | None, UNLESS_NONE] = None
    """The likeliest in the place of each, with top_n_tokens."""


class GeneratedText(Schema):
    """A caption, or a text, as Hugging Face tells it."""

    generated_text: str
    details: Annotated[HuggingFaceDetails | None, UNLESS_NONE] = None
    """Of a text, with details=true."""
