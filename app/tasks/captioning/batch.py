"""POST /v1/captions/batch: several pictures in, each answered on its own."""

import asyncio

from fastapi import APIRouter, Request

from app.errors import Refusal
from app.http.contract import Contract
from app.http.dialects import ErrorResponse
from app.http.disconnect import while_connected
from app.http.errors import tell, unexpected
from app.http.openapi import EXAMPLE, FILE, TEXT
from app.http.requests import read_uploads
from app.serving.engine import Engine
from app.tasks.captioning.parameters import CaptionParameters
from app.tasks.captioning.request import (
    ERRORS,
    decoding_of,
    new_id,
    picture_request,
    query,
    request_body,
    response,
    submit,
)
from app.tasks.captioning.schemas import BatchResponse, CaptionResponse
from app.tasks.captioning.service import Answer
from model.tasks.captioning import CAPTIONING

router = APIRouter(tags=["captions"])

_BODY = request_body(
    {"type": "array", "items": FILE, "minItems": 1},
    {"anyOf": [{"type": "array", "items": TEXT, "minItems": 1}, TEXT]},
    [EXAMPLE, EXAMPLE],
)


@router.post(
    "/v1/captions/batch",
    responses=ERRORS,
    openapi_extra={"parameters": query(), "requestBody": _BODY},
)
@Contract(task="captioning", body="batch")
async def create_captions(request: Request) -> BatchResponse:
    """Describes several pictures, which share their parameters.

    Repeat the form's field `image`, or send a list in JSON. Each picture has an answer of its own, in the order in
    which they were sent: captions or an error, as from `/v1/captions`.

        curl -F image=@one.jpg -F image=@two.jpg localhost:8000/v1/captions/batch
    """
    engine: Engine = request.app.state.engine
    uploads = await read_uploads(request, CaptionParameters, engine.settings.max_batch_images)
    checkpoint = engine.find(CAPTIONING, uploads.parameters.model)
    decoding = decoding_of(checkpoint, uploads.parameters)
    pictures = [picture_request(data, decoding, uploads.parameters) for data in uploads.data if isinstance(data, bytes)]
    tasks = iter(submit(engine.worker(checkpoint), pictures))

    async def result(found: Refusal | asyncio.Task[Answer]) -> CaptionResponse | ErrorResponse:
        try:
            if isinstance(found, Refusal):
                raise found
            return response(checkpoint, await found, uploads.received, new_id())
        except Refusal as error:
            failure = error
        except Exception as error:
            failure = unexpected(error, request.scope)
        return ErrorResponse.model_validate(tell(failure, request.scope)[1])

    found = [data if isinstance(data, Refusal) else next(tasks) for data in uploads.data]
    results = await while_connected(request, asyncio.gather(*map(result, found)))
    return BatchResponse(results=results)
