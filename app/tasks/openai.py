"""The common parts of the contracts that OpenAI defined."""

import time
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

from pydantic import BaseModel, ConfigDict
from starlette.types import Scope

from app.errors import Refusal
from app.http.errors import tell
from app.http.events import DONE, event
from app.http.openapi import Json
from app.http.schema import Schema


class StreamOptions(BaseModel):
    """Options of a stream."""

    model_config = ConfigDict(strict=True, frozen=True)

    include_usage: bool = False


class CompletionUsage(Schema):
    """Tokens, which are characters or words: /v1/models says which, for each language model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


def usage(read: int, written: int) -> Json:
    """The tokens of an answer."""
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def head(prefix: str, object: str, model: str) -> Json:
    """The beginning of an answer, or of each of its chunks."""
    return {"id": f"{prefix}-{uuid4().hex}", "object": object, "created": int(time.time()), "model": model}


async def chunks(
    choices: AsyncIterator[Json], head: Json, options: StreamOptions | None, usage: Callable[[], Json], scope: Scope
) -> AsyncIterator[bytes]:
    """Choices as events, the usage if it is asked for, and `[DONE]`; an error takes the place of the rest."""
    with_usage = options is not None and options.include_usage
    rest: Json = {"usage": None} if with_usage else {}
    try:
        async for choice in choices:
            yield event({**head, "choices": [choice], **rest})
    except Refusal as error:
        yield event(tell(error, scope)[1])
        return
    if with_usage:
        yield event({**head, "choices": [], "usage": usage()})
    yield DONE
