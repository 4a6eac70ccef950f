"""POST /v1/completions: a text's beginning in, its continuation out, in OpenAI's contract."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from app.errors import Refusal
from app.http.body import Unsupported
from app.http.contract import Contract
from app.http.dialects import OPENAI
from app.http.events import EventStream
from app.http.openapi import Json, errors, event_stream, json_content
from app.http.requests import read_body, while_connected
from app.serving.engine import Engine
from app.tasks.openai import StreamOptions, chunks, head, usage
from app.tasks.text.generation import Generation, Update
from app.tasks.text.request import MAX_CHOICES, GenerationParameters, limited, text_requests
from app.tasks.text.schemas import CompletionResponse
from model.tasks.text import TEXT
from model.tasks.text.prompt import Token
from model.tasks.text.stream import TextStream

router = APIRouter(tags=["completions"])


def _prompts(value: Any) -> Any:
    """Checks a prompt before it is validated item by item."""
    if isinstance(value, list) and len(value) > MAX_CHOICES:
        message = "{found} prompts: at most {most} texts fit into a request"
        raise PydanticCustomError("prompts", message, {"found": f"{len(value):,}", "most": MAX_CHOICES})
    if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(p, str) for p in value)):
        return value
    if isinstance(value, list) and value and all(isinstance(part, int | list) for part in value):
        raise PydanticCustomError("tokens", "token numbers are not read; send the text itself")
    raise PydanticCustomError("prompt", "a string is needed, or a list of them")


_ONLY_OUR_PENALTY = Unsupported("repetition_penalty is what there is", (0,))


class CompletionRequest(GenerationParameters):
    """A request for completions: OpenAI's parameters, and those of drawing a text."""

    model: str | None = None
    """Name of a language model, as in /v1/models."""
    prompt: Annotated[str | Annotated[list[str], Field(min_length=1)], BeforeValidator(_prompts)] = ""
    """The text to continue, or several texts; an empty one is read as the beginning of a line."""
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
    suffix: Annotated[Any, Unsupported("text is written forwards only", ("",))] = None
    presence_penalty: Annotated[Any, _ONLY_OUR_PENALTY] = None
    frequency_penalty: Annotated[Any, _ONLY_OUR_PENALTY] = None
    logit_bias: Annotated[Any, Unsupported("tokens have no numbers here", ({},))] = None
    user: str | None = None
    """Ignored."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.best_of not in (None, self.n):
            message = f"best_of={self.best_of}: all texts are returned, so it can only be n, which is {self.n}"
            raise Refusal("invalid_parameter", message, "best_of")
        if self.stream_options and not self.stream:
            raise Refusal("invalid_parameter", "stream_options: only with stream=true", "stream_options")
        return self

    @property
    def prompts(self) -> list[str]:
        """One or more."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt


_ANSWERS = {200: {"content": event_stream()}} | errors(
    OPENAI,
    {
        400: "A body that can't be parsed; a parameter that is unknown, out of range or not supported",
        404: "No such language model",
        415: "The body is not JSON",
    },
)
_EXAMPLE = {"prompt": "ROMEO:", "max_tokens": 200, "temperature": 0.8, "stop": "\n\n"}


@router.post(
    "/v1/completions",
    response_model=CompletionResponse,
    responses=_ANSWERS,
    openapi_extra={"requestBody": json_content(CompletionRequest.json_schema(), _EXAMPLE)},
)
@Contract(errors=OPENAI, task="text", body="text")
async def create_completion(request: Request) -> CompletionResponse | EventStream:
    """Continues a prompt, in the manner of the texts that the model has read.

    The contract is OpenAI's: their clients work with `base_url` set to `/v1` here. `max_tokens`, `temperature`,
    `top_p`, `top_k`, `repetition_penalty`, `stop` and `seed` have the model's own defaults, which `/v1/models` shows. A
    token is a character or a word, as the model has it. An unknown parameter is an error.

        curl localhost:8000/v1/completions -d '{"prompt": "ROMEO:", "max_tokens": 200, "stream": true}'
    """
    engine: Engine = request.app.state.engine
    asked = await read_body(request, CompletionRequest)
    checkpoint = engine.find(TEXT, asked.model)
    generation = asked.over(limited(checkpoint.config.generation, engine.settings))
    texts = text_requests(
        asked.prompts,
        generation,
        engine.settings,
        n=asked.n,
        logprobs=asked.logprobs,
        echo=asked.echo,
        whole=asked.echo,
    )
    start = head("cmpl", "text_completion", checkpoint.name)
    writing = engine.worker(checkpoint).generate(texts, request.state.client)
    choices = [_Choice(index, asked) for index in range(len(texts))]

    def tokens() -> Json:
        """The tokens read, each prompt counted once, and those written."""
        read = sum(choice.stream.prompt_tokens for choice in choices[:: asked.n] if choice.stream)
        return usage(read, sum(choice.stream.written for choice in choices if choice.stream))

    if asked.stream:
        pieces = _pieces(writing, choices)
        return EventStream(chunks(pieces, start, asked.stream_options, tokens, request.scope), writing)
    with writing:
        updates = await while_connected(request, writing.whole())
    whole = [choices[index].piece(update) for index, update in sorted(updates.items())]
    return CompletionResponse.model_validate({**start, "choices": whole, "usage": tokens()})


async def _pieces(generation: Generation, choices: Sequence["_Choice"]) -> AsyncIterator[Json]:
    """A piece of each text that has gone on."""
    async for updates in generation:
        for index, update in updates.items():
            piece = choices[index].piece(update)
            if piece["text"] or piece["finish_reason"]:
                yield piece


class _Choice:
    """Turns the updates of one text into what OpenAI calls a choice, or into pieces of one."""

    def __init__(self, index: int, request: CompletionRequest) -> None:
        self.stream: TextStream | None = None
        self._index = index
        self._prompt = request.prompts[index // request.n] if request.echo else ""
        self._echo = request.echo
        self._logprobs = request.logprobs is not None
        self._offset = 0

    def piece(self, update: Update) -> Json:
        """The piece that an update adds; the first has the prompt as well, if it is to be echoed."""
        self.stream = update.stream
        text, tokens = update.text, update.tokens
        if self._echo:
            text, tokens, self._echo = self._prompt + text, [*update.stream.prompt, *tokens], False
        return {
            "text": text,
            "index": self._index,
            "logprobs": self._scores(tokens) if self._logprobs else None,
            "finish_reason": update.finish_reason,
        }

    def _scores(self, tokens: Iterable[Token]) -> Json:
        scores: Json = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for token in tokens:
            scores["tokens"].append(token.text)
            scores["token_logprobs"].append(token.logprob)
            # The token itself stands among the likeliest, also where it is none of them.
            top = None if token.logprob is None else {**dict(token.alternatives), token.text: token.logprob}
            scores["top_logprobs"].append(top)
            scores["text_offset"].append(self._offset)
            self._offset += len(token.text)
        return scores
