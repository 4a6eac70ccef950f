"""POST /v1/chat/completions: a message with a picture in, a caption as the answer, as OpenAI's clients ask for it."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request

from app.http.contract import Contract
from app.http.dialects import OPENAI
from app.http.events import DONE, EventStream, event
from app.http.openapi import EXAMPLE, errors, event_stream, json_body
from app.http.requests import picture_of, read_json
from app.schemas.openai import ChatResponse
from app.serving.engine import Engine
from app.tasks.captioning.openai import ChatRequest, logprobs, words
from app.tasks.captioning.request import CaptionRequest
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Caption

router = APIRouter(tags=["chat"])

_MESSAGE = {
    "role": "user",
    "content": [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": {"url": EXAMPLE}},
    ],
}
_BODY = json_body(ChatRequest.json_schema(), {"messages": [_MESSAGE]})
_ANSWERS = {200: {"content": event_stream()}} | errors(
    OPENAI,
    {
        400: "A body or a picture that can't be read, no picture, or a parameter that is wrong",
        404: "No such captioner",
        415: "The body is not JSON, or the picture of a format that is not read",
        504: "It took too long",
    },
)


@router.post(
    "/v1/chat/completions", response_model=ChatResponse, responses=_ANSWERS, openapi_extra={"requestBody": _BODY}
)
@Contract(errors=OPENAI, task="captioning")
async def create_chat_completion(request: Request) -> Any:
    """Describes the picture in the user's last message; a captioner does not understand what else is said.

    The contract is OpenAI's: their clients work with `base_url` set to `/v1` here. The picture comes as an `image_url`
    part with a `data:` URI, or a URL where the operator allows those. Parameters of `/v1/captions`, such as
    `beam_size`, may stand beside OpenAI's own; those that a captioner has no use for are ignored where they can't
    change the answer, and refused where they would.
    """
    return await _answer(request, None)


@router.post("/models/{name:path}/v1/chat/completions", include_in_schema=False)
@Contract(errors=OPENAI, task="captioning")
async def create_chat_completion_of_model(request: Request, name: str) -> Any:
    """What Hugging Face's client makes of a model's address; it does not name the model in the body."""
    return await _answer(request, name)


async def _answer(request: Request, name: str | None) -> Any:
    engine: Engine = request.app.state.engine
    asked, ours = ChatRequest.parse(await read_json(request))
    checkpoint = engine.find(CAPTIONING, name or asked.model)
    wanted = CaptionRequest(engine, checkpoint, asked.decoding(checkpoint.config.decoding, ours))
    picture = await picture_of(request, asked.image_url(), "messages")
    captions = (await wanted.answer(request, picture)).captions
    head = {
        "id": f"chatcmpl-{uuid4().hex}",
        "created": int(time.time()),
        "model": checkpoint.name,
        "system_fingerprint": checkpoint.sha256[:16],
    }
    if asked.stream:
        return EventStream(_events(captions, asked, {**head, "object": "chat.completion.chunk"}))
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": caption.text, "refusal": None},
            "logprobs": logprobs(caption) if asked.logprobs else None,
            "finish_reason": caption.finish_reason,
        }
        for index, caption in enumerate(captions)
    ]
    return {**head, "object": "chat.completion", "choices": choices, "usage": _usage(captions)}


async def _events(captions: Sequence[Caption], asked: ChatRequest, head: dict[str, Any]) -> AsyncIterator[bytes]:
    """A caption is short: it is found as a whole, which beam search needs, and then told word by word."""
    with_usage = asked.stream_options is not None and asked.stream_options.include_usage
    rest: dict[str, Any] = {"usage": None} if with_usage else {}

    def chunk(index: int, delta: dict[str, Any], finish_reason: str | None = None, scores: Any = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": scores, "finish_reason": finish_reason}
        return event({**head, "choices": [choice], **rest})

    for index, caption in enumerate(captions):
        yield chunk(index, {"role": "assistant", "content": ""}, scores=logprobs(caption) if asked.logprobs else None)
        for word in words(caption.text):
            yield chunk(index, {"content": word})
        yield chunk(index, {}, caption.finish_reason)
    if with_usage:
        yield event({**head, "choices": [], "usage": _usage(captions)})
    yield DONE


def _usage(captions: Sequence[Caption]) -> dict[str, int]:
    """Words written; none are read."""
    written = sum(len(caption.tokens) for caption in captions)
    return {"prompt_tokens": 0, "completion_tokens": written, "total_tokens": written}
