"""POST /model/predict and GET /model/metadata: IBM's MAX-Image-Caption-Generator, for its web app."""

import math
from typing import Literal

from fastapi import APIRouter, Request

from app.http.contract import Contract
from app.http.dialects import IBM_MAX
from app.http.openapi import FILE, errors
from app.http.requests import read_upload, while_connected
from app.http.schema import Schema
from app.serving.engine import Engine
from app.tasks.captioning.parameters import CaptionParameters, decoding_over
from app.tasks.captioning.service import PictureJob
from model.tasks.captioning import CAPTIONING

router = APIRouter(prefix="/model", tags=["IBM MAX"])


class MaxPrediction(Schema):
    """One of the captions."""

    index: str
    """Its place: the first is the best."""
    caption: str
    probability: float
    """The probability of the whole sentence."""


class MaxResponse(Schema):
    """Captions of a picture, in the words of IBM's Model Asset Exchange."""

    status: Literal["ok"]
    predictions: list[MaxPrediction]


class MaxMetadata(Schema):
    """A model, in the words of IBM's Model Asset Exchange."""

    id: str
    name: str
    description: str
    type: str
    license: str
    source: str
    """Address of its card."""


_SCHEMA = {"type": "object", "properties": {"image": FILE}, "required": ["image"], "additionalProperties": False}
_BODY = {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}
_ERRORS = errors(
    IBM_MAX, {400: "No picture, or one that can't be read", 404: "There is no captioner", 504: "It took too long"}
)


@router.post("/predict", responses=_ERRORS, openapi_extra={"requestBody": _BODY})
@Contract(errors=IBM_MAX, task="captioning")
async def predict(request: Request) -> MaxResponse:
    """The three likeliest captions that beam search finds, each with the probability of the whole sentence."""
    engine: Engine = request.app.state.engine
    picture, *_ = await read_upload(request, CaptionParameters)
    checkpoint = engine.find(CAPTIONING, None)
    decoding = decoding_over(checkpoint.config.decoding, {"method": "beam", "num_captions": 3})
    (task,) = engine.worker(checkpoint).submit([PictureJob(picture, decoding)])
    del picture
    answer = await while_connected(request, task)
    return MaxResponse(
        status="ok",
        predictions=[
            MaxPrediction(index=str(index), caption=caption.text, probability=math.exp(caption.logprob))
            for index, caption in enumerate(answer.captions)
        ],
    )


@router.get("/metadata", responses={404: _ERRORS[404]})
@Contract(errors=IBM_MAX)
def metadata(request: Request) -> MaxMetadata:
    """The model that answers."""
    engine: Engine = request.app.state.engine
    checkpoint = engine.find(CAPTIONING, None)
    encoder, decoder = checkpoint.config.encoder, checkpoint.config.decoder
    return MaxMetadata(
        id=checkpoint.name,
        name=checkpoint.name,
        description=f"{encoder.name} encoder, {decoder.kind} {decoder.cell.upper()} decoder",
        type="Image-to-Text Translation",
        license="that of its training data: see its model card",
        source=str(request.url_for("get_model", name=checkpoint.name)),
    )
