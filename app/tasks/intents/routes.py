"""POST /v1/intents: texts in, what they ask for out."""

import asyncio
import time
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Request
from pydantic import Field

from app.errors import Refusal
from app.http.body import Body, Needed
from app.http.contract import TEXT_BYTES, Contract
from app.http.dialects import OWN
from app.http.openapi import errors, json_content
from app.http.requests import read_body, while_connected
from app.http.schema import ModelInfo
from app.serving.engine import Engine
from app.tasks.intents.schemas import IntentResponse, IntentResult
from app.tasks.intents.service import MAX_TEXTS, IntentJob, check, check_words
from model.tasks.intents import INTENTS

router = APIRouter(tags=["intents"])


class IntentRequest(Body):
    """A request for intents."""

    text: Annotated[str | list[str], Needed(f"a text is needed, or a list of 1 to {MAX_TEXTS} texts")]
    """A text of 1 to 1,000 characters, or 1 to 128 of them."""
    model: str | None = None
    """Name of an intent classifier, as in /v1/models."""
    top_k: Annotated[int, Field(ge=1, le=1000)] = 5
    """Most intents in a ranking."""
    explain: bool = False
    """Also return what each word does: the ranking after it, and the answer without it. The texts may have 64 words
    together."""


@router.post(
    "/v1/intents",
    responses=errors(
        OWN,
        {
            400: "A body that can't be read",
            404: "No such classifier",
            422: "A parameter is wrong, or a text is empty or too long",
            504: "It took too long",
        },
    ),
    openapi_extra={"requestBody": json_content(IntentRequest.json_schema(), {"text": "What time is it?"})},
)
@Contract(task="intents", body="text")
async def create_intents(request: Request) -> IntentResponse:
    """Says what a text asks for: one of the intents that the model knows, or `out_of_scope`.

    curl localhost:8000/v1/intents -d '{"text": "What time is it?"}'
    """
    started = time.perf_counter()
    asked = await read_body(request, IntentRequest, TEXT_BYTES)
    engine: Engine = request.app.state.engine
    checkpoint = engine.find(INTENTS, asked.model)
    texts = checked(asked.text)
    if asked.explain:
        check_words(texts)
    jobs = [IntentJob(text, asked.explain) for text in texts]
    done = await while_connected(request, asyncio.gather(*engine.worker(checkpoint).submit(jobs)))
    return IntentResponse(
        id=f"intents-{uuid4().hex}",
        model=ModelInfo.model_validate(checkpoint),
        results=[IntentResult.about(job, asked.top_k) for job in done],
        timing_ms=round(1000 * (time.perf_counter() - started), 2),
    )


def checked(text: str | list[str]) -> list[str]:
    """The texts of a request; raises a Refusal that says which of them can't be classified, and why."""
    if isinstance(text, str):
        return [check(text)]
    if not 1 <= len(text) <= MAX_TEXTS:
        message = f"text has {len(text):,} texts; 1 to {MAX_TEXTS} are needed, so send the others in further requests"
        raise Refusal("invalid_parameter", message, "text")
    return [check(part, f"text[{place}]") for place, part in enumerate(text)]
