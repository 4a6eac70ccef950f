"""The common parts of Hugging Face's inference contracts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from starlette.requests import Request

from app.http.body import Body, Ignored, Unsupported
from app.http.openapi import Json
from app.http.schema import UNLESS_NONE, Schema
from app.serving.engine import Engine
from model.checkpoint import Checkpoint

_NONE = "this server has none of it"


class InferenceParameters(Body):
    """Parameters of `transformers` that ask for nothing in some values, and are not supported in others."""

    adapter_id: Annotated[Any, Unsupported(_NONE)] = None
    best_of: Annotated[Any, Unsupported(_NONE, (1,))] = None
    early_stopping: Annotated[Any, Unsupported(_NONE, (True, False, "never"))] = None
    epsilon_cutoff: Annotated[Any, Unsupported(_NONE, (0,))] = None
    eta_cutoff: Annotated[Any, Unsupported(_NONE, (0,))] = None
    frequency_penalty: Annotated[Any, Unsupported(_NONE, (0,))] = None
    grammar: Annotated[Any, Unsupported(_NONE)] = None
    num_beam_groups: Annotated[Any, Unsupported(_NONE, (1,))] = None
    penalty_alpha: Annotated[Any, Unsupported(_NONE, (0,))] = None
    truncate: Annotated[Any, Unsupported(_NONE)] = None
    typical_p: Annotated[Any, Unsupported(_NONE, (1,))] = None
    use_cache: Annotated[Any, Unsupported(_NONE, (True, False))] = None
    watermark: Annotated[Any, Unsupported(_NONE, (False,))] = None


class Inference(Body):
    """A request to `/models/{name}`, but for its `inputs` and `parameters`, which are a task's own."""

    stream: bool | None = None
    """Text token by token, as server-sent events."""
    options: Ignored = None


class HuggingFaceToken(Schema):
    """A token, in the words of Hugging Face's text-generation-inference."""

    id: int
    text: str
    logprob: float | None
    """Natural logarithm of its probability; null for the first token of a prompt."""
    special: bool


class HuggingFaceDetails(Schema):
    """Details about a text."""

    finish_reason: Literal["length", "stop_sequence"]
    generated_tokens: int
    seed: int | None
    prefill: list[HuggingFaceToken]
    """The prompt's tokens, with decoder_input_details."""
    tokens: list[HuggingFaceToken]
    top_tokens: Annotated[list[list[HuggingFaceToken]] | None, UNLESS_NONE] = None
    """The likeliest tokens in the place of each, with top_n_tokens."""


class GeneratedText(Schema):
    """A caption, or a text."""

    generated_text: str
    details: Annotated[HuggingFaceDetails | None, UNLESS_NONE] = None
    """Only with details=true."""


@dataclass(frozen=True)
class Handler:
    """A task's part of `POST /models/{name}`."""

    body: type[Inference]
    """The request in JSON."""
    infer: Callable[[Request, Engine, Checkpoint[Any, Any]], Awaitable[Any]]
    """Answers a request whose body has not been read: with an `answer`, an event stream or another response."""
    takes: str
    """`a language model takes text`: the body, for people."""
    answer: Any = list[GeneratedText]
    """Type of the answer in JSON; None if it is never JSON."""
    content: Json = field(default_factory=dict)
    """Documentation of answers in other media types, by their names."""
