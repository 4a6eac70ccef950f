"""A request for captions as work for a captioner, and the work's answer as the response."""

import time
from typing import Any
from uuid import uuid4

from app.errors import Refusal
from app.http.body import or_null
from app.http.dialects import OWN
from app.http.openapi import BYTES, EXAMPLE, errors, json_content
from app.http.schema import ModelInfo
from app.tasks.captioning.parameters import CaptionParameters, decoding_over
from app.tasks.captioning.schemas import BeamTree, Caption, CaptionResponse, ImageInfo, Timing
from app.tasks.captioning.service import Answer, PictureRequest
from model.checkpoint import Checkpoint
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig

CaptionerCheckpoint = Checkpoint[CaptionerConfig, Captioner]
Json = dict[str, Any]


def picture_request(checkpoint: CaptionerCheckpoint, parameters: CaptionParameters) -> PictureRequest:
    """The request that the parameters of `/v1/captions` make, still without a picture.

    Raises:
        Refusal: parameters are at odds with each other, or the captioner has no attention to return.
    """
    decoding = decoding_over(checkpoint.config.decoding, parameters.given())
    if parameters.attention and checkpoint.config.decoder.kind == "show-and-tell":
        message = f"attention=true: {checkpoint.name} sees the picture as a whole, so there is no attention to show"
        raise Refusal("invalid_parameter", message, "attention")
    if parameters.tree and decoding.method == "sample":
        message = "tree=true: samples are drawn one by one, so there is no tree; use method=beam"
        raise Refusal("invalid_parameter", message, "tree")
    return PictureRequest(b"", decoding, bool(parameters.attention), bool(parameters.tree))


def model_info(checkpoint: CaptionerCheckpoint) -> ModelInfo:
    """The model that answers."""
    return ModelInfo(name=checkpoint.name, sha256=checkpoint.sha256)


def response(checkpoint: CaptionerCheckpoint, answer: Answer, received: float, id: str) -> CaptionResponse:
    """The response about a picture.

    Args:
        checkpoint: of the captioner.
        answer: the worker's.
        received: when the request had arrived, by `time.perf_counter`.
        id: from `new_id`.
    """
    seconds = {
        "queue": answer.queue,
        "decode": answer.decode,
        "encode": answer.encode,
        "generate": answer.generate,
        "total": time.perf_counter() - received,
    }
    tree = answer.tree
    return CaptionResponse(
        id=id,
        model=model_info(checkpoint),
        captions=[Caption.model_validate(caption) for caption in answer.captions],
        image=ImageInfo(width=answer.width, height=answer.height, format=answer.format),
        timing_ms=Timing(**{name: round(1000 * value, 2) for name, value in seconds.items()}),
        tree=None if tree is None else BeamTree.model_validate({"steps": tree.steps, "captions": tree.sequences}),
    )


def new_id() -> str:
    """A new id for a response."""
    return f"caption-{uuid4().hex}"


def parameter_schemas() -> dict[str, Json]:
    """JSON schema of each parameter, without the null that JSON bodies may also have."""
    return {
        name: _not_null(schema) | {"description": schema["description"]}
        for name, schema in CaptionParameters.json_schema()["properties"].items()
    }


def _not_null(schema: Json) -> Json:
    (part,) = (part for part in schema["anyOf"] if part != {"type": "null"})
    return dict(part)


def request_body(image: Json, text: Json, example: Any = EXAMPLE) -> Json:
    """Documentation of the bodies that are read.

    Args:
        image: schema of the form's field `image`.
        text: schema of the key `image` in JSON.
        example: a value of that key.
    """
    parameters = parameter_schemas()
    nullable = {name: or_null(schema) for name, schema in parameters.items()}
    form = _closed({"image": image, **parameters})
    body = json_content(_closed({"image": text, **nullable}), {"image": example, "beam_size": 5})
    description = "The picture, as a form's file, as text in JSON, or as the bare bytes under any content type."
    content = {"multipart/form-data": {"schema": form}} | body["content"] | BYTES
    return {"required": True, "description": description, "content": content}


def _closed(properties: Json) -> Json:
    """An object that must have `image` and may have nothing but these properties."""
    return {"type": "object", "required": ["image"], "properties": properties, "additionalProperties": False}


def query() -> list[Json]:
    """Documentation of the query's parameters."""
    return [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": schema["description"]}
        for name, schema in parameter_schemas().items()
    ]


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
