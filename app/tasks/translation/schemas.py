"""Answers about texts, and the cards of translators."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.http.schema import UNLESS_NONE, ModelCard, ModelInfo, Schema


class TranslationToken(Schema):
    """A piece of a word of a translation."""

    text: str
    """Its part of the text. The name of a byte, `<0xE2>`, for a character that the model has no piece for."""
    logprob: float
    """Natural logarithm of its probability, given the source and the pieces before it."""
    attention: Annotated[list[float] | None, UNLESS_NONE] = None
    """Where the network looked: a weight for each of `source_tokens`, adding up to 1. Only with attention=true."""


class TranslationChoice(Schema):
    """A translation of a text."""

    text: str
    logprob: float
    """Natural logarithm of the probability of its sentences, their ends included."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    """The probability that its worst sentence is good, as the model's card defines it; without a calibration, the
    geometric mean of the probabilities of that sentence's pieces."""
    finish_reason: Literal["stop", "length"]
    """`stop`: it is complete; `length`: a sentence was cut at max_length."""
    tokens: list[TranslationToken]


class TranslationResult(Schema):
    """A text and its translations."""

    text: str
    """The text that was sent."""
    translations: list[TranslationChoice]
    """Best first."""
    source_tokens: Annotated[list[str] | None, UNLESS_NONE] = None
    """The pieces that the text was read in; an empty one ends each sentence. Only with attention=true."""
    unknown: list[str]
    """The words, in lower case, that training never had: what becomes of them is a guess, or a copy."""


class TranslationResponse(Schema):
    """The translations of some texts."""

    id: str
    model: ModelInfo
    results: list[TranslationResult]
    """In the order in which the texts were sent."""
    timing_ms: float


class HuggingFaceTranslation(Schema):
    """A translation in Hugging Face's words."""

    translation_text: str


class TranslatorCard(ModelCard):
    """A model that translates."""

    task: Literal["translation"] = "translation"
    """Hugging Face's name of the task."""
    source: str
    """The language that it reads, by its ISO 639 code."""
    target: str
    """The language that it writes."""
    cell: str
    """Kind of its recurrent layers."""
    hidden_size: int
    decoding: dict[str, Any]
    """Its defaults for the parameters of a request."""
