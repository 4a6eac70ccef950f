"""POST /model/predict and GET /model/metadata: what IBM's MAX-Image-Caption-Generator offered, for its web app."""

import math

from fastapi import APIRouter, Request

from app.http.contract import Contract
from app.http.dialects import IBM_MAX
from app.http.fields import decoding_config
from app.http.openapi import FILE, closed, errors
from app.http.requests import read_upload
from app.schemas.ibm_max import MaxMetadata, MaxPrediction, MaxResponse
from app.serving.engine import Engine
from app.tasks.captioning.request import CaptionRequest
from model.tasks.captioning import CAPTIONING

router = APIRouter(prefix="/model", tags=["IBM MAX"])

_PREDICTIONS = 3
_BODY = {"required": True, "content": {"multipart/form-data": {"schema": closed({"image": FILE}, ["image"])}}}
_ERRORS = errors(
    IBM_MAX,
    {400: "No picture, or one that can't be read", 404: "There is no captioner", 504: "It took too long"},
)


@router.post("/predict", responses=_ERRORS, openapi_extra={"requestBody": _BODY})
@Contract(errors=IBM_MAX, task="captioning")
async def predict(request: Request) -> MaxResponse:
    """The three likeliest captions that beam search finds, each with the probability of the whole sentence."""
    engine: Engine = request.app.state.engine
    upload = await read_upload(request)
    checkpoint = engine.find(CAPTIONING, None)
    decoding = decoding_config(checkpoint.config.decoding, {"method": "beam", "num_captions": _PREDICTIONS})
    answer = await CaptionRequest(engine, checkpoint, decoding).answer(request, upload.image)
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
