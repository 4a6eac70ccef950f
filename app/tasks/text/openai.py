"""OpenAI's completions: what a request may say, and the answer put together from what the model writes."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from app.errors import Refusal
from app.http.fields import invalid, refused, unknown
from app.http.openapi import closed, unsupported
from app.serving.generation import TextRequest, Update
from app.settings import Settings
from model.tasks.text.config import MAX_STOPS, GenerationConfig
from model.tasks.text.prompt import Token
from model.tasks.text.stream import TextStream

MAX_CHOICES = 128
"""Texts of one request: prompts times n. It is OpenAI's limit for n."""
MAX_SCORED = 20_000
"""Tokens of one request whose log-probabilities can be asked for: they take a hundred times the room of their text."""

_ONLY_NEUTRAL: dict[str, tuple[str, tuple[Any, ...]]] = {
    "suffix": ("text is written forwards only", ("",)),
    "presence_penalty": ("repetition_penalty is what there is", (0,)),
    "frequency_penalty": ("repetition_penalty is what there is", (0,)),
    "logit_bias": ("tokens have no numbers here", ({},)),
}
"""Parameters that must say nothing -> why, and which values besides null say nothing."""


class StreamOptions(BaseModel):
    """What else a stream should tell."""

    model_config = ConfigDict(strict=True, frozen=True)

    include_usage: bool = False


class CompletionRequest(BaseModel):
    """The parameters that are OpenAI's; the ones of drawing a text are those of `GenerationConfig`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str | None = None
    """Name of a language model, as in /v1/models."""
    prompt: str | Annotated[list[str], Field(min_length=1)] = ""
    """What the text goes on from, or several such; an empty one is read as the beginning of a line."""
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] = 1
    """Texts for each prompt. Each has random numbers of its own, also from one seed."""
    best_of: int | None = None
    """Nothing but n."""
    echo: bool = False
    """Whether the text begins with the prompt."""
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    """Also return each token's log-probability, and those of this many likeliest tokens in its place."""
    stream: bool = False
    """Whether to send the text as it is written, as server-sent events."""
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    """Not supported."""
    presence_penalty: float = 0.0
    """Not supported; repetition_penalty is."""
    frequency_penalty: float = 0.0
    """Not supported; repetition_penalty is."""
    logit_bias: dict[str, float] | None = None
    """Not supported."""
    user: str | None = None
    """Ignored."""

    @field_validator("prompt", mode="before")
    @classmethod
    def _prompt_is_text(cls, value: Any) -> Any:
        if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(p, str) for p in value)):
            return value
        if isinstance(value, list) and value and all(isinstance(part, int | list) for part in value):
            raise PydanticCustomError("tokens", "Token numbers are not read; send the text itself")
        raise PydanticCustomError("prompt", "A string is needed, or a list of them")

    @field_validator(*_ONLY_NEUTRAL)
    @classmethod
    def _neutral(cls, value: Any, info: Any) -> Any:
        if value:
            raise PydanticCustomError("unsupported", "Not supported: {why}", {"why": _ONLY_NEUTRAL[info.field_name][0]})
        return value

    @property
    def prompts(self) -> list[str]:
        """One or more."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt


def request_schema() -> dict[str, Any]:
    """JSON schema of a request's body. Parameters of drawing have no default here, it is the model's to say."""
    theirs = CompletionRequest.model_json_schema()["properties"] | {"stream_options": StreamOptions.model_json_schema()}
    drawing = {
        name: {key: value for key, value in schema.items() if key != "default"}
        for name, schema in GenerationConfig.model_json_schema()["properties"].items()
    }
    drawing["stop"] = {"anyOf": [drawing["stop"]["items"], drawing["stop"]]}
    return closed({**theirs, **drawing, **unsupported(_ONLY_NEUTRAL)})


def parse(document: Mapping[str, Any]) -> tuple[CompletionRequest, dict[str, Any]]:
    """A JSON object to a request and what it says of drawing the text; a null counts as not given.

    Raises:
        Refusal: naming the parameter: unknown, of the wrong type, out of range, or not supported.
    """
    given = {name: value for name, value in document.items() if value is not None}
    names = (*CompletionRequest.model_fields, *GenerationConfig.model_fields)
    for name in document:
        if name not in names:
            raise unknown(name, names)
    drawing = {name: given.pop(name) for name in GenerationConfig.model_fields if name in given}
    try:
        request = CompletionRequest.model_validate(given)
    except ValidationError as error:
        raise refused(error, given) from error
    if request.best_of not in (None, request.n):
        message = f"best_of={request.best_of}: all texts are returned, so it can only be n, which is {request.n}"
        raise Refusal("invalid_parameter", message, "best_of")
    if request.stream_options and not request.stream:
        raise Refusal("invalid_parameter", "stream_options: only with stream=true", "stream_options")
    return request, drawing


def limited(defaults: GenerationConfig, settings: Settings) -> GenerationConfig:
    """The model's defaults, which give way to the operator's limit; what a caller gives is refused instead."""
    return defaults.model_copy(update={"max_tokens": min(defaults.max_tokens, settings.max_tokens)})


def merged(defaults: GenerationConfig, drawing: Mapping[str, Any]) -> GenerationConfig:
    """The model's defaults with what the caller gave.

    Raises:
        Refusal: naming the parameter: of the wrong type or out of range.
    """
    given = dict(drawing)
    if "stop" in given:
        stop = given["stop"]
        if not isinstance(stop, str | list | tuple):
            raise invalid("stop", stop, "a string is needed, or a list of them")
        # One more than the most allowed is enough to be refused; millions would take gigabytes to validate.
        given["stop"] = (stop,) if isinstance(stop, str) else tuple(stop[: MAX_STOPS + 1])
    try:
        return GenerationConfig.model_validate({**defaults.model_dump(), **given}, strict=True)
    except ValidationError as error:
        raise refused(error, drawing) from error


def text_requests(request: CompletionRequest, generation: GenerationConfig, settings: Settings) -> list[TextRequest]:
    """The texts to write, n for each prompt, in the order of their indices.

    Raises:
        Refusal: it is too much for one request.
    """
    prompts = request.prompts
    texts = len(prompts) * request.n
    if texts > MAX_CHOICES:
        message = f"{len(prompts):,} prompts, {request.n} texts each: at most {MAX_CHOICES} texts fit into a request"
        raise Refusal("invalid_parameter", message, "prompt" if request.n == 1 else "n")
    if generation.max_tokens > settings.max_tokens:
        raise invalid("max_tokens", generation.max_tokens, f"at most {settings.max_tokens:,} are written here")
    length = sum(map(len, prompts))
    if length > settings.max_prompt_chars:
        message = f"the prompt has {length:,} characters; at most {settings.max_prompt_chars:,} are read"
        raise Refusal("prompt_too_long", message, "prompt")
    if request.logprobs is not None:
        scored = texts * generation.max_tokens + request.n * length * request.echo
        if scored > MAX_SCORED:
            message = (
                f"log-probabilities of up to {scored:,} tokens are asked for; at most {MAX_SCORED:,} fit into a request"
            )
            raise Refusal("invalid_parameter", message, "logprobs")
    return [
        TextRequest(
            prompt=prompt,
            generation=generation,
            choice=choice,
            logprobs=request.logprobs,
            prompt_logprobs=request.echo and request.logprobs is not None,
        )
        for prompt in prompts
        for choice in range(request.n)
    ]


class Choice:
    """One of the answer's texts on its way: updates to what OpenAI calls a choice, or a piece of one."""

    def __init__(self, index: int, request: CompletionRequest) -> None:
        self._index = index
        self._prompt = request.prompts[index // request.n] if request.echo else ""
        self._echo = request.echo
        self._logprobs = request.logprobs is not None
        self._offset = 0

    def piece(self, update: Update) -> dict[str, Any]:
        """What an update adds; the first has the prompt as well, if it is to be echoed."""
        text, tokens = update.text, update.tokens
        if self._echo:
            text, tokens, self._echo = self._prompt + text, [*update.stream.prompt, *tokens], False
        return {
            "text": text,
            "index": self._index,
            "logprobs": self._scores(tokens) if self._logprobs else None,
            "finish_reason": update.finish_reason,
        }

    def _scores(self, tokens: Iterable[Token]) -> dict[str, Any]:
        scores: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for token in tokens:
            scores["tokens"].append(token.text)
            scores["token_logprobs"].append(token.logprob)
            # The token itself stands among the likeliest, also where it is none of them.
            top = None if token.logprob is None else {**dict(token.alternatives), token.text: token.logprob}
            scores["top_logprobs"].append(top)
            scores["text_offset"].append(self._offset)
            self._offset += len(token.text)
        return scores


def usage(streams: Mapping[int, TextStream], n: int) -> dict[str, int]:
    """Tokens read, each prompt counted once, and written, of texts by their index."""
    read = sum(stream.prompt_tokens for index, stream in streams.items() if index % n == 0)
    written = sum(stream.written for stream in streams.values())
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
