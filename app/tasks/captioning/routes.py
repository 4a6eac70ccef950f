"""POST /v1/captions and /v1/captions/batch: pictures in, their captions out."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from app.errors import Refusal
from app.http.contract import Contract
from app.http.dialects import OWN, ErrorResponse
from app.http.errors import tell
from app.http.openapi import EXAMPLE, FILE, TEXT, errors
from app.http.requests import Remote, read_upload, read_uploads, while_connected
from app.serving.engine import Engine
from app.tasks.captioning.parameters import CaptionParameters, documented, picture_job
from app.tasks.captioning.schemas import BatchResponse, CaptionResponse
from app.tasks.captioning.service import PictureJob
from model.tasks.captioning import CAPTIONING

router = APIRouter(tags=["captions"])

ERRORS = errors(
    OWN,
    {
        400: "Not a picture; empty, truncated or damaged; or a body that can't be parsed",
        404: "No such captioner",
        415: "A format that is not read, by its bytes; the declared type is ignored",
        422: "A parameter that is unknown or out of range, no image, or one with too many pixels",
        504: "It took too long",
    },
)


@router.post("/v1/captions", responses=ERRORS, openapi_extra=documented(FILE, TEXT))
@Contract(task="captioning")
async def create_caption(request: Request) -> CaptionResponse:
    """Describes a picture in words.

    Send the picture as the field `image` of a form, as its bare bytes, or as base64 in JSON. JPEG, PNG, WebP, GIF
    (first frame), BMP, TIFF and AVIF are read, whatever the declared type.

    Parameters go in the query, in the form or in the JSON alike; each has the model's own default, which `/v1/models`
    shows, and a default gives way where it does not go with what you ask for (five captions widen the beam to five).

        curl -F image=@photo.jpg 'localhost:8000/v1/captions?num_captions=3'
        curl --data-binary @photo.jpg localhost:8000/v1/captions
    """
    engine: Engine = request.app.state.engine
    data, parameters, received = await read_upload(request, CaptionParameters)
    checkpoint = engine.find(CAPTIONING, parameters.model)
    (task,) = engine.worker(checkpoint).submit([picture_job(checkpoint, parameters, data)])
    del data  # the worker lets go of it once it is decoded
    return CaptionResponse.of(await while_connected(request, task), checkpoint, received)


_MANY = documented(
    {"type": "array", "items": FILE, "minItems": 1},
    {"anyOf": [{"type": "array", "items": TEXT, "minItems": 1}, TEXT]},
    [EXAMPLE, EXAMPLE],
)


@router.post("/v1/captions/batch", response_model=BatchResponse, responses=ERRORS, openapi_extra=_MANY)
@Contract(task="captioning", body="batch")
async def create_captions(request: Request) -> Response:
    """Describes several pictures, which share their parameters.

    Repeat the form's field `image`, or send a list in JSON. Each picture has an answer of its own, in the order in
    which they were sent: captions or an error, as from `/v1/captions`.

        curl -F image=@one.jpg -F image=@two.jpg localhost:8000/v1/captions/batch
    """
    engine: Engine = request.app.state.engine
    settings = engine.settings
    sent, parameters, received = await read_uploads(
        request, CaptionParameters, settings.max_batch_images, settings.decode_threads
    )
    checkpoint = engine.find(CAPTIONING, parameters.model)
    asked = picture_job(checkpoint, parameters, b"")
    refused = [found if isinstance(found, Refusal) else None for found in sent]
    jobs = [_job(asked, found) for found in sent if not isinstance(found, Refusal)]
    del sent  # the worker lets go of what is decoded
    tasks = iter(engine.worker(checkpoint).submit(jobs))
    del jobs

    async def result(found: Refusal | asyncio.Task[PictureJob]) -> str:
        answer: CaptionResponse | ErrorResponse
        try:
            if isinstance(found, Refusal):
                raise found
            answer = CaptionResponse.of(await found, checkpoint, received)
        except Exception as error:
            answer = ErrorResponse.model_validate(tell(error, request.scope)[1])
        return answer.model_dump_json()

    async def results(found: deque[Refusal | asyncio.Task[PictureJob]]) -> list[str]:
        """Written one by one, since attention may be megabytes: others go on, and what is written is let go of."""
        written = []
        try:
            while found:
                written.append(await result(found[0]))
                del found[0]
                await asyncio.sleep(0)
        finally:
            for task in found:
                if isinstance(task, asyncio.Task):
                    task.cancel()
        return written

    found = deque(refusal or next(tasks) for refusal in refused)
    del tasks
    written = await while_connected(request, results(found))
    return Response(f'{{"results":[{",".join(written)}]}}', media_type="application/json")


def _job(asked: PictureJob, found: bytes | Remote) -> PictureJob:
    """The work for one of several pictures."""
    job = replace(asked, data=found if isinstance(found, bytes) else b"")

    @asynccontextmanager
    async def fetched(remote: Remote) -> AsyncIterator[None]:
        async with remote.fetched() as job.data:
            yield

    if isinstance(found, Remote):
        job.supply = fetched(found)
    return job
