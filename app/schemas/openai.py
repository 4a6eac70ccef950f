"""Answers in the shape of OpenAI's."""

from typing import Any, Literal

from app.http.schema import Schema


class CompletionLogprobs(Schema):
    """The tokens of a text, and their probabilities; four lists of one length."""

    tokens: list[str]
    token_logprobs: list[float | None]
    """Natural logarithms of the model's own probabilities, before temperature and the like; null for the first token of
    a prompt."""
    top_logprobs: list[dict[str, float] | None]
    """Of the likeliest tokens in its place, and its own."""
    text_offset: list[int]
    """Where it begins in `text`, in characters."""


class CompletionChoice(Schema):
    """One of the texts."""

    text: str
    index: int
    """Of its prompt times n, plus its place among the n."""
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"]
    """`stop`: before a stop string; `length`: after max_tokens."""


class CompletionUsage(Schema):
    """Tokens, which are characters or words: /v1/models says it of each language model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionResponse(Schema):
    """Texts, in the shape of OpenAI's completions."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    """Seconds since 1970."""
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class ChatMessage(Schema):
    """What the assistant says."""

    role: Literal["assistant"]
    content: str
    """The caption."""
    refusal: None


class ChatTokenLogprob(Schema):
    """A word of a caption, as OpenAI tells it."""

    token: str
    logprob: float
    """Natural logarithm of its probability, given the picture and the words before it."""
    bytes: list[int]
    top_logprobs: list[Any]
    """None."""


class ChatLogprobs(Schema):
    """The words of a caption."""

    content: list[ChatTokenLogprob]
    refusal: None


class ChatChoice(Schema):
    """One of the captions."""

    index: int
    """Best first."""
    message: ChatMessage
    logprobs: ChatLogprobs | None
    """With logprobs=true alone."""
    finish_reason: Literal["stop", "length"]
    """`stop`: the sentence is complete; `length`: it was cut at the most words."""


class ChatResponse(Schema):
    """A caption, in the shape of OpenAI's chat completions."""

    id: str
    object: Literal["chat.completion"]
    created: int
    """Seconds since 1970."""
    model: str
    system_fingerprint: str
    """The beginning of the digest of its weights."""
    choices: list[ChatChoice]
    usage: CompletionUsage
    """Words of the captions; of the picture there are none."""
