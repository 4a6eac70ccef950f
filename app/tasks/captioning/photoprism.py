"""POST /api/v1/vision/caption: PhotoPrism's vision service, with a place for the caption's confidence."""

from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Request
from pydantic import FailFast, Field

from app.errors import Refusal
from app.http.body import Needed
from app.http.contract import Contract
from app.http.dialects import Dialect, Shape
from app.http.openapi import EXAMPLE, errors, json_content
from app.http.requests import picture_of, read_body, while_connected
from app.http.schema import Schema
from app.serving.engine import Engine
from app.tasks.captioning.ollama import OllamaBody, Options, find_captioner, one_of
from app.tasks.captioning.service import PictureJob
from model.tasks.captioning.wording import Wording

router = APIRouter(prefix="/api/v1/vision", tags=["PhotoPrism"])


class VisionError(Schema):
    """An error in PhotoPrism's words."""

    code: int
    """The status of the answer."""
    error: str
    """For people: what was wrong and what would be right."""


def _photoprism(error: Refusal, status: int, request_id: str) -> Shape:
    status = 400 if status in (415, 422) else status
    return status, {"code": status, "error": error.message}


PHOTOPRISM = Dialect(VisionError, _photoprism)
"""The shape of the errors that PhotoPrism reads, where a faulty request is a 400."""


class VisionRequest(OllamaBody):
    """A request for a caption; the prompts that PhotoPrism sends along are passed over."""

    images: Annotated[
        list[str],
        FailFast(),
        Field(default_factory=list, json_schema_extra={"maxItems": 1}),
        Needed("a list of data: URIs is needed"),
    ]
    """The picture: a data: URI, base64, or a URL where the operator allows those."""
    url: str | None = None
    """The picture's URL, in place of `images`."""
    model: str | None = None
    """Name of a captioner, as in /v1/models."""
    id: str | None = None
    """Returned as it is."""
    options: Annotated[dict[str, Any], Field(default_factory=dict), Needed("an object is needed")]
    """Ollama's options, as in /api/generate."""


class VisionModel(Schema):
    """The model that answered."""

    type: Literal["caption"]
    name: str
    version: str
    """The beginning of the digest of its weights."""


class VisionCaption(Schema):
    """A sentence about the picture."""

    text: str
    source: Literal["image"]
    """PhotoPrism's word for what is read from the pixels."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    """The probability that the caption is good."""


class VisionResult(Schema):
    """All that was found in the picture."""

    caption: VisionCaption


class VisionResponse(Schema):
    """The caption of a picture, in PhotoPrism's words."""

    id: str
    code: Literal[200]
    model: VisionModel
    result: VisionResult


_ERRORS = errors(
    PHOTOPRISM,
    {
        400: "A body or a picture that can't be read, no picture, or a parameter that is wrong",
        404: "No such captioner",
        504: "It took too long",
    },
)


@router.post(
    "/caption",
    response_model=VisionResponse,
    responses=_ERRORS,
    openapi_extra={"requestBody": json_content(VisionRequest.json_schema(), {"images": [EXAMPLE]})},
)
@Contract(errors=PHOTOPRISM, task="captioning")
async def photoprism_caption(request: Request) -> VisionResponse:
    """Describes a picture; PhotoPrism asks here when `PHOTOPRISM_VISION_URI` is this server's /api/v1/vision."""
    engine: Engine = request.app.state.engine
    asked = await read_body(request, VisionRequest)
    source = one_of(asked.images, "images") if asked.images else asked.url
    if not source:
        needed = '"images": ["data:image/jpeg;base64,..."]'
        raise Refusal("missing_image", f"there is no picture; send it as {needed}", "images")
    checkpoint = find_captioner(engine, asked.model)
    options = Options.of(asked.options)
    picture = await picture_of(request, source, "images" if asked.images else "url")
    job = PictureJob(picture, options.decoding(checkpoint.config.decoding), wording=options.given(Wording))
    del picture  # the worker lets go of it once it is decoded
    (task,) = engine.worker(checkpoint).submit([job])
    caption = (await while_connected(request, task)).captions[0]
    told = {"text": caption.text, "source": "image", "confidence": caption.confidence}
    return VisionResponse.model_validate(
        {
            "id": asked.id or str(uuid4()),
            "code": 200,
            "model": {"type": "caption", "name": checkpoint.name, "version": checkpoint.sha256[:16]},
            "result": {"caption": told},
        }
    )
