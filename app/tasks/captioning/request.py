"""What a request for captions asks for, its documentation, and the answer put together from what the engine finds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from starlette.requests import Request

from app.errors import Refusal
from app.http.dialects import OWN
from app.http.disconnect import while_connected
from app.http.fields import decoding_config, model_name, parameter_schemas, wants
from app.http.openapi import BYTES, EXAMPLE, closed, errors, json_body
from app.serving.engine import Engine
from app.tasks.captioning.schemas import BeamTree, Caption, CaptionResponse, ImageInfo, ModelInfo, Timing
from app.tasks.captioning.service import Answer, Listener, PictureRequest
from model.checkpoint import Checkpoint
from model.decoding.config import DecodingConfig
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner, UnknownPrefixError
from model.tasks.captioning.config import CaptionerConfig


@dataclass(frozen=True)
class CaptionRequest:
    """What is asked for, besides the pictures.

    Raises:
        Refusal: the model can't do it.
    """

    engine: Engine
    checkpoint: Checkpoint[CaptionerConfig, Captioner]
    decoding: DecodingConfig
    attention: bool = False
    tree: bool = False
    received: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.attention and self.checkpoint.config.decoder.kind == "show-and-tell":
            name = self.checkpoint.name
            message = f"attention=true: {name} sees the picture as a whole, so there is no attention to show"
            raise Refusal("invalid_parameter", message, "attention")
        if self.tree and self.decoding.method == "sample":
            message = "tree=true: samples are drawn one by one, so there is no tree; use method=beam"
            raise Refusal("invalid_parameter", message, "tree")
        try:
            self.engine.captioners[self.checkpoint.name].encode_prefix(self.decoding.prefix)
        except UnknownPrefixError as error:
            raise Refusal("invalid_parameter", f"prefix: {error}", "prefix") from error

    @classmethod
    def parse(cls, engine: Engine, parameters: Mapping[str, Any]) -> Self:
        """The parameters of a request that has arrived.

        Raises:
            Refusal: no such model; one that is wrong.
        """
        checkpoint = engine.find(CAPTIONING, model_name(parameters))
        decoding = decoding_config(checkpoint.config.decoding, parameters)
        return cls(engine, checkpoint, decoding, wants("attention", parameters), wants("tree", parameters))

    @property
    def model(self) -> ModelInfo:
        return ModelInfo(name=self.checkpoint.name, sha256=self.checkpoint.sha256)

    def of(self, image: bytes, listener: Listener | None = None) -> PictureRequest:
        """The same, of one picture."""
        captioner = self.engine.captioners[self.checkpoint.name]
        return PictureRequest(image, self.decoding, self.attention, self.tree, listener, captioner)

    async def answer(self, request: Request, image: bytes) -> Answer:
        """Captions of a picture, which is withdrawn when the request's client leaves.

        Raises:
            Refusal: the bytes are not a picture that is read; too many pictures wait already; the server is
                shutting down; it took too long.
            ClientDisconnect: nobody waits for it any more.
        """
        (task,) = self.engine.pictures.caption([self.of(image)])
        return await while_connected(request, task)

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
    form = {"type": "object", "required": ["image"], "properties": {"image": image, **parameters}}
    body = json_body(closed({"image": text, **parameters}, ["image"]), {"image": example, "beam_size": 5})
    description = "The picture, as a form's file, as text in JSON, or as the bare bytes under any content type."
    form_content = {"multipart/form-data": {"schema": form | {"additionalProperties": False}}}
    return {"required": True, "description": description, "content": form_content | body["content"] | BYTES}


def query() -> list[dict[str, Any]]:
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
