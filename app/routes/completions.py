"""POST /v1/completions: a text's beginning in, its continuation out, as OpenAI's clients ask for it."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import anyio
from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic_core import from_json
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.completions import Choice, CompletionRequest, merged, parse, request_schema, text_requests, usage
from app.engine import Engine
from app.errors import ApiError, openai_shape
from app.generation import Generation, Update
from app.registry import UnknownModelError
from app.schemas import CompletionResponse, OpenAIErrorResponse
from model.checkpoint import LanguageCheckpoint
from model.generation import TextStream

router = APIRouter(tags=["completions"])

_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": request_schema(),
            "example": {"prompt": "ROMEO:", "max_tokens": 200, "temperature": 0.8, "stop": "\n\n"},
        }
    },
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIErrorResponse, "description": description}
    for status, description in {
        400: "A body that can't be parsed; a parameter that is unknown, out of range or not supported",
        404: "No such language model",
        413: "The body is too large",
        415: "The body is not JSON",
        429: "Too many texts wait already",
        500: "The model failed",
        503: "Loading, or shutting down",
    }.items()
}


@router.post(
    "/v1/completions",
    response_model=CompletionResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **_ERRORS,
    },
    openapi_extra={"requestBody": _BODY},
)
async def create_completion(request: Request) -> Any:
    """Goes on from a prompt, in the manner of what the model has read.

    The contract is OpenAI's: their clients work with `base_url` set to `/v1` here. `max_tokens`, `temperature`,
    `top_p`, `top_k`, `repetition_penalty`, `stop` and `seed` have the model's own defaults, which `/v1/models` shows. A
    token is a character or a word, as the model has it. An unknown parameter is an error.

        curl localhost:8000/v1/completions -d '{"prompt": "ROMEO:", "max_tokens": 200, "stream": true}'
    """
    engine: Engine = request.app.state.engine
    engine.require_ready()
    asked, drawing = parse(await _read_json(request))
    try:
        checkpoint = engine.registry.find(LanguageCheckpoint, asked.model)
    except UnknownModelError as error:
        raise ApiError(404, "unknown_model", str(error), "model") from error
    defaults = checkpoint.config.generation
    # The model's default gives way to the operator's limit; what the caller gave is refused instead.
    most = min(defaults.max_tokens, engine.settings.max_tokens)
    config = merged(defaults.model_copy(update={"max_tokens": most}), drawing)
    texts = text_requests(asked, config, engine.settings)
    head = {
        "id": f"cmpl-{uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": checkpoint.name,
    }
    generation = engine.generate(checkpoint, texts)
    if asked.stream:
        return _CompletionStream(generation, _events(generation, asked, head))
    with generation:
        updates = await _whole(request, generation)
    choices = [Choice(index, asked).piece(update) for index, update in sorted(updates.items())]
    streams = {index: update.stream for index, update in updates.items()}
    return {**head, "choices": choices, "usage": usage(streams, asked.n)}


async def _read_json(request: Request) -> dict[str, Any]:
    """The body, whatever type it declares: curl's default is a form's.

    Raises:
        ApiError: 400, not a JSON object; 415, not even declared to be JSON.
    """
    body = await request.body()
    declared = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        document = await anyio.to_thread.run_sync(from_json, body)
    except ValueError as error:
        if declared and "json" not in declared.lower():
            message = f"the body is {declared[:100]!r}; a JSON object is needed, as application/json"
            raise ApiError(415, "unsupported_media_type", message) from error
        raise ApiError(400, "bad_json", f"the body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ApiError(400, "bad_json", f"the body is a JSON {type(document).__name__}; an object is needed")
    return document


async def _whole(request: Request, generation: Generation) -> dict[int, Update]:
    """All that comes of each text.

    Raises:
        ApiError: as `Generation` does.
        ClientDisconnect: nobody waits for it any more.
    """
    updates: dict[int, Update] = {}
    failure: Exception | None = ClientDisconnect()
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            async for news in generation:
                for index, update in news.items():
                    whole = updates.setdefault(index, Update(update.stream))
                    whole.extend(update.text, update.tokens, update.finish_reason)
            failure = None
        except ApiError as error:  # which would come out of the task group as one of a group
            failure = error
        tasks.cancel_scope.cancel()
    if failure:
        raise failure
    return updates


class _CompletionStream(EventSourceResponse):
    """Server-sent events, whose texts end with it, however it ends."""

    def __init__(self, generation: Generation, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        self._generation = generation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._generation:
            await super().__call__(scope, receive, send)


async def _events(generation: Generation, asked: CompletionRequest, head: dict[str, Any]) -> AsyncIterator[bytes]:
    """A chunk for each text that has gone on; then, if asked for, the usage; `[DONE]`. Or, in its place, an error."""
    with_usage = asked.stream_options is not None and asked.stream_options.include_usage
    rest: dict[str, Any] = {"usage": None} if with_usage else {}
    choices = [Choice(index, asked) for index in range(asked.n * len(asked.prompts))]
    streams: dict[int, TextStream] = {}
    try:
        async for updates in generation:
            for index, update in updates.items():
                streams[index] = update.stream
                piece = choices[index].piece(update)
                if piece["text"] or piece["finish_reason"]:
                    yield _event({**head, "choices": [piece], **rest})
    except ApiError as error:
        yield _event({"error": openai_shape(error)[1]})
        return
    if with_usage:
        yield _event({**head, "choices": [], "usage": usage(streams, asked.n)})
    yield format_sse_event(data_str="[DONE]")


def _event(data: dict[str, Any]) -> bytes:
    # In ASCII: some clients take U+2028 and its like for the end of a line.
    return format_sse_event(data_str=json.dumps(data))
