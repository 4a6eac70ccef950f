"""What a request for captions asks for, its documentation, and the answer put together from what the engine finds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from starlette.requests import Request

from app.captioning import Answer, Listener, PictureRequest
from app.disconnect import while_connected
from app.engine import Engine
from app.errors import ApiError
from app.parameters import decoding_config, model_name, parameter_schemas, wants
from app.schemas import BeamTree, Caption, CaptionResponse, ErrorResponse, ImageInfo, ModelInfo, Timing
from model.captioner import UnknownPrefixError
from model.checkpoint import CaptionerCheckpoint
from model.config import DecodingConfig

_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
IMAGE_FILE = {**_FILE, "description": "The picture's file."}
IMAGE_TEXT = {"type": "string", "description": "The picture: base64, or a data: URI."}
EXAMPLE = "data:image/gif;base64,R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs="


@dataclass(frozen=True)
class CaptionRequest:
    """What is asked for, besides the pictures.

    Raises:
        ApiError: 422, the model can't do it.
    """

    engine: Engine
    checkpoint: CaptionerCheckpoint
    decoding: DecodingConfig
    attention: bool = False
    tree: bool = False
    received: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.attention and self.checkpoint.config.decoder.kind == "show-and-tell":
            name = self.checkpoint.name
            message = f"attention=true: {name} sees the picture as a whole, so there is no attention to show"
            raise ApiError(422, "invalid_parameter", message, "attention")
        if self.tree and self.decoding.method == "sample":
            message = "tree=true: samples are drawn one by one, so there is no tree; use method=beam"
            raise ApiError(422, "invalid_parameter", message, "tree")
        try:
            self.engine.captioners[self.checkpoint.name].encode_prefix(self.decoding.prefix)
        except UnknownPrefixError as error:
            raise ApiError(422, "invalid_parameter", f"prefix: {error}", "prefix") from error

    @classmethod
    def parse(cls, engine: Engine, parameters: Mapping[str, Any]) -> Self:
        """The parameters of a request that has arrived.

        Raises:
            ApiError: 404, no such model; 422, one that is wrong.
        """
        checkpoint = engine.find(CaptionerCheckpoint, model_name(parameters))
        decoding = decoding_config(checkpoint.config.decoding, parameters)
        return cls(engine, checkpoint, decoding, wants("attention", parameters), wants("tree", parameters))

    @property
    def model(self) -> ModelInfo:
        return ModelInfo(name=self.checkpoint.name, sha256=self.checkpoint.sha256)

    def of(self, image: bytes, listener: Listener | None = None) -> PictureRequest:
        """The same, of one picture."""
        captioner = self.engine.captioners[self.checkpoint.name]
        return PictureRequest(captioner, image, self.decoding, self.attention, self.tree, listener)

    async def answer(self, request: Request, image: bytes) -> Answer:
        """Captions of a picture, which is withdrawn when the request's client leaves.

        Raises:
            ApiError: the bytes are not a picture that is read; 429, too many pictures wait already; 503, the server is
                shutting down; 504, it took too long.
            ClientDisconnect: nobody waits for it any more.
        """
        (task,) = self.engine.pictures.caption([self.of(image)])
        return await while_connected(request, lambda: task)

    def response(self, answer: Answer, id: str) -> CaptionResponse:
        """The answer about a picture, under an id of `new_id`."""
        seconds = {
            "queue": answer.queue,
            "decode": answer.decode,
            "encode": answer.encode,
            "generate": answer.generate,
            "total": time.perf_counter() - self.received,
        }
        return CaptionResponse(
            id=id,
            model=self.model,
            captions=[Caption.model_validate(caption) for caption in answer.captions],
            image=ImageInfo(width=answer.width, height=answer.height, format=answer.format),
            timing_ms=Timing(**{name: round(1000 * value, 2) for name, value in seconds.items()}),
            tree=None if answer.tree is None else BeamTree.model_validate(answer.tree),
        )


def new_id() -> str:
    """A name for an answer."""
    return f"caption-{uuid4().hex}"


def request_body(image: dict[str, Any], text: dict[str, Any], example: Any = EXAMPLE) -> dict[str, Any]:
    """Documentation of the bodies that are read.

    Args:
        image: schema of the form's field `image`.
        text: schema of the key `image` in JSON.
        example: of the latter.
    """
    parameters = parameter_schemas()

    def fields(image: dict[str, Any]) -> dict[str, Any]:
        properties = {"image": image, **parameters}
        return {"type": "object", "required": ["image"], "properties": properties, "additionalProperties": False}

    return {
        "required": True,
        "description": "The picture, as a form's file, as text in JSON, or as the bare bytes under any content type.",
        "content": {
            "multipart/form-data": {"schema": fields(image)},
            "application/json": {"schema": fields(text), "example": {"image": example, "beam_size": 5}},
            "application/octet-stream": {"schema": _FILE},
            "image/*": {"schema": _FILE},
        },
    }


def query() -> list[dict[str, Any]]:
    """Documentation of the query's parameters."""
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


ERRORS: dict[int | str, dict[str, Any]] = {
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
