"""POST /v1/completions: a text's beginning in, its continuation out, as OpenAI's clients ask for it."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.types import Scope

from app.errors import Refusal
from app.http.contract import Contract
from app.http.dialects import OPENAI
from app.http.disconnect import while_connected
from app.http.errors import tell
from app.http.events import DONE, EventStream, event
from app.http.openapi import errors, event_stream, json_body
from app.http.requests import read_json
from app.schemas.openai import CompletionResponse
from app.serving.engine import Engine
from app.serving.generation import Generation
from app.tasks.text.openai import (
    Choice,
    CompletionRequest,
    limited,
    merged,
    parse,
    request_schema,
    text_requests,
    usage,
)
from model.tasks.text import TEXT
from model.tasks.text.stream import TextStream

router = APIRouter(tags=["completions"])

_BODY = json_body(request_schema(), {"prompt": "ROMEO:", "max_tokens": 200, "temperature": 0.8, "stop": "\n\n"})
_ANSWERS = {200: {"content": event_stream()}} | errors(
    OPENAI,
    {
        400: "A body that can't be parsed; a parameter that is unknown, out of range or not supported",
        404: "No such language model",
        415: "The body is not JSON",
    },
)


@router.post(
    "/v1/completions",
    response_model=CompletionResponse,
    responses=_ANSWERS,
    openapi_extra={"requestBody": _BODY},
)
@Contract(errors=OPENAI, task="text", body="text")
async def create_completion(request: Request) -> Any:
    """Goes on from a prompt, in the manner of what the model has read.

    The contract is OpenAI's: their clients work with `base_url` set to `/v1` here. `max_tokens`, `temperature`,
    `top_p`, `top_k`, `repetition_penalty`, `stop` and `seed` have the model's own defaults, which `/v1/models` shows. A
    token is a character or a word, as the model has it. An unknown parameter is an error.

        curl localhost:8000/v1/completions -d '{"prompt": "ROMEO:", "max_tokens": 200, "stream": true}'
    """
    engine: Engine = request.app.state.engine
    asked, drawing = parse(await read_json(request))
    checkpoint = engine.find(TEXT, asked.model)
    config = merged(limited(checkpoint.config.generation, engine.settings), drawing)
    texts = text_requests(asked, config, engine.settings)
    head = {
        "id": f"cmpl-{uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": checkpoint.name,
    }
    generation = engine.generate(checkpoint, texts)
    if asked.stream:
        return EventStream(_events(generation, asked, head, request.scope), generation)
    with generation:
        updates = await while_connected(request, generation.whole())
    choices = [Choice(index, asked).piece(update) for index, update in sorted(updates.items())]
    streams = {index: update.stream for index, update in updates.items()}
    return {**head, "choices": choices, "usage": usage(streams, asked.n)}


async def _events(
    generation: Generation, asked: CompletionRequest, head: dict[str, Any], scope: Scope
) -> AsyncIterator[bytes]:
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
                    yield event({**head, "choices": [piece], **rest})
    except Refusal as error:
        yield event(tell(error, scope)[1])
        return
    if with_usage:
        yield event({**head, "choices": [], "usage": usage(streams, asked.n)})
    yield DONE
