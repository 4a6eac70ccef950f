"""POST /v1/captions: a picture in, its captions out."""

from fastapi import APIRouter, Request

from app.http.contract import Contract
from app.http.disconnect import while_connected
from app.http.openapi import FILE, TEXT
from app.http.requests import read_upload
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
from app.tasks.captioning.schemas import CaptionResponse
from model.tasks.captioning import CAPTIONING

router = APIRouter(tags=["captions"])


@router.post(
    "/v1/captions",
    responses=ERRORS,
    openapi_extra={"parameters": query(), "requestBody": request_body(FILE, TEXT)},
)
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
    upload = await read_upload(request, CaptionParameters)
    checkpoint = engine.find(CAPTIONING, upload.parameters.model)
    decoding = decoding_of(checkpoint, upload.parameters)
    picture = picture_request(upload.data, decoding, upload.parameters)
    (task,) = submit(engine.worker(checkpoint), [picture])
    return response(checkpoint, await while_connected(request, task), upload.received, new_id())
