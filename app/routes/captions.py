"""POST /v1/captions: a picture in, sentences out."""

import time
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request

from app.disconnect import while_connected
from app.engine import Engine
from app.errors import ApiError
from app.parameters import decoding_config, model_name, parameter_schemas, wants_attention
from app.schemas import Caption, CaptionResponse, ErrorResponse, ImageInfo, ModelInfo, Timing
from app.uploads import read_upload
from model.captioner import UnknownPrefixError
from model.checkpoint import CaptionerCheckpoint

router = APIRouter(tags=["captions"])

_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_EXAMPLE = "data:image/gif;base64,R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs="
_TEXT = {"type": "string", "description": "The picture: base64, or a data: URI."}


def _request_body() -> dict[str, Any]:
    parameters = parameter_schemas()

    def fields(image: dict[str, Any]) -> dict[str, Any]:
        properties = {"image": image, **parameters}
        return {"type": "object", "required": ["image"], "properties": properties, "additionalProperties": False}

    return {
        "required": True,
        "description": "The picture, as a form's file, as text in JSON, or as the bare bytes under any content type.",
        "content": {
            "multipart/form-data": {"schema": fields({**_FILE, "description": "The picture's file."})},
            "application/json": {
                "schema": fields(_TEXT),
                "example": {"image": _EXAMPLE, "beam_size": 5},
            },
            "application/octet-stream": {"schema": _FILE},
            "image/*": {"schema": _FILE},
        },
    }


def _query() -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": schema["description"]}
        for name, schema in parameter_schemas().items()
    ]


def _error(description: str, code: str, message: str, field: str | None = "image") -> dict[str, Any]:
    error = {"code": code, "message": message, "field": field, "request_id": "9f3b2c1d"}
    if field is None:
        del error["field"]
    return {
        "model": ErrorResponse,
        "description": description,
        "content": {"application/json": {"example": {"error": error}}},
    }


_ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error(
        "Not a picture; empty, truncated or damaged; or a body that can't be parsed",
        "damaged_image",
        "this JPEG is truncated or damaged",
    ),
    404: _error("No such captioner", "unknown_model", "there is no model 'x'; there is flickr8k", "model"),
    413: _error("The body is too large", "body_too_large", "the body is larger than 20,000,000 bytes", None),
    415: _error(
        "A format that is not read, by its bytes; the declared type is ignored",
        "unsupported_format",
        "this is a PDF document; JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are read",
    ),
    422: _error(
        "A parameter that is unknown or out of range, no image, or one with too many pixels",
        "invalid_parameter",
        "beam_size='99': input should be less than or equal to 10",
        "beam_size",
    ),
    429: _error(
        "Too many pictures wait already; Retry-After says when to try again",
        "queue_full",
        "72 pictures wait already, and no more are taken; try again in 4 s",
        None,
    ),
    503: _error("Loading, or shutting down", "loading", "the models are still loading; try again shortly", None),
    504: _error("It took too long", "deadline_exceeded", "it was not done within 30 s, and is given up", None),
}


@router.post(
    "/v1/captions",
    response_model_exclude_none=True,
    responses=_ERRORS,
    openapi_extra={"parameters": _query(), "requestBody": _request_body()},
)
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
    engine.require_ready()
    engine.pictures.require_room()  # told before the picture is sent
    upload = await read_upload(request)
    received = time.perf_counter()
    checkpoint = engine.find(CaptionerCheckpoint, model_name(upload.parameters))
    decoding = decoding_config(checkpoint.config.decoding, upload.parameters)
    attention = wants_attention(upload.parameters)
    if attention and checkpoint.config.decoder.kind == "show-and-tell":
        message = f"attention=true: {checkpoint.name} sees the picture as a whole, so there is no attention to show"
        raise ApiError(422, "invalid_parameter", message, "attention")
    try:
        answer = await while_connected(
            request, lambda: engine.caption(checkpoint, upload.image, decoding, attention=attention)
        )
    except UnknownPrefixError as error:
        raise ApiError(422, "invalid_parameter", f"prefix: {error}", "prefix") from error
    captions = [Caption.model_validate(caption) for caption in answer.captions]
    seconds = {
        "queue": answer.queue,
        "decode": answer.decode,
        "encode": answer.encode,
        "generate": answer.generate,
        "total": time.perf_counter() - received,
    }
    return CaptionResponse(
        id=f"caption-{uuid4().hex}",
        model=ModelInfo(name=checkpoint.name, sha256=checkpoint.sha256),
        captions=captions,
        image=ImageInfo(width=answer.width, height=answer.height, format=answer.format),
        timing_ms=Timing(**{name: round(1000 * value, 2) for name, value in seconds.items()}),
    )
