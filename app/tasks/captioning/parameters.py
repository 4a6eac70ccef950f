"""The parameters of captions, how they go together with a model's defaults, and their documentation."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from app.errors import Refusal
from app.http.body import or_null, overrides
from app.http.openapi import BYTES, EXAMPLE, Json, json_content
from app.http.requests import UploadParameters
from app.tasks.captioning.service import PictureJob
from model.checkpoint import Checkpoint
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, DecodingConfig
from model.tasks.captioning.wording import Wording

CaptionerCheckpoint = Checkpoint[CaptionerConfig, Captioner]


@overrides(Wording)
@overrides(DecodingConfig)
class DecodingParameters(UploadParameters):
    """The parameters that choose, search and word."""

    may_be_empty: ClassVar = ("prefix",)

    model: str | None = None
    """Name of the model, as in /v1/models."""


class CaptionParameters(DecodingParameters):
    """The parameters of `/v1/captions` and its siblings."""

    attention: bool | None = None
    """Also return, for each word, where in the picture the network looked."""
    top_logprobs: Annotated[int, Field(ge=1, le=10)] | None = None
    """Also return, for each word, this many of the likeliest in its place, with their log-probabilities."""
    tree: bool | None = None
    """Also return the hypotheses that beam search kept at each step."""
    tags: bool | None = None
    """Also return the things that the network sees, as nouns: at most five, each with a confidence of 0.1 or more."""


def decoding_over(defaults: DecodingConfig, given: Mapping[str, Any]) -> DecodingConfig:
    """The model's defaults with what the caller gave; where the two don't go together, the default gives way.

    Raises:
        Refusal: two parameters that were given are at odds.
    """
    values = {**defaults.model_dump(), **given}
    room: dict[str, Any] = {}
    if values["method"] == "greedy":
        room["num_captions"] = 1
    elif values["method"] == "beam" and values["num_captions"] > values["beam_size"]:
        room |= {"beam_size": values["num_captions"], "num_captions": values["beam_size"]}
    if values["min_length"] > values["max_length"]:
        room |= {"max_length": values["min_length"], "min_length": values["max_length"]}
    try:
        return DecodingConfig.model_validate({**values, **room, **given})
    except ValidationError as error:
        reason = str(error.errors()[0]["ctx"]["error"])  # begins with the name of the field to blame
        field = re.match(r"\w+", reason)
        raise Refusal("invalid_parameter", reason, field[0] if field else None) from error


def picture_job(checkpoint: CaptionerCheckpoint, parameters: CaptionParameters, data: bytes) -> PictureJob:
    """A picture's file as work for the captioner's worker.

    Raises:
        Refusal: parameters are at odds with each other, or the captioner has no attention or no tags to return.
    """
    decoding = decoding_over(checkpoint.config.decoding, parameters.given(DecodingConfig))
    if parameters.attention and checkpoint.config.decoder.kind == "show-and-tell":
        message = f"attention=true: {checkpoint.name} sees the picture as a whole, so there is no attention to show"
        raise Refusal("invalid_parameter", message, "attention")
    if parameters.tree and decoding.method == "sample":
        message = "tree=true: samples are drawn one by one, so there is no tree; use method=beam"
        raise Refusal("invalid_parameter", message, "tree")
    if parameters.tags and not checkpoint.has("tags"):
        message = f"tags=true: {checkpoint.name} has no tagger; the models that have one have tags=true in /v1/models"
        raise Refusal("invalid_parameter", message, "tags")
    return PictureJob(
        data,
        decoding,
        bool(parameters.attention),
        tree=bool(parameters.tree),
        tag=bool(parameters.tags),
        top_logprobs=parameters.top_logprobs or 0,
        wording=parameters.given(Wording),
    )


def parameter_schemas() -> dict[str, Json]:
    """JSON schema of each parameter, without the null that JSON bodies may also have."""
    schemas = {}
    for name, schema in CaptionParameters.json_schema()["properties"].items():
        (part,) = (part for part in schema["anyOf"] if part != {"type": "null"})
        schemas[name] = {**part, "description": schema["description"]}
    return schemas


def documented(image: Json, text: Json, example: Any = EXAMPLE) -> Json:
    """The part of a route's documentation about its query and its body, which FastAPI can't derive.

    Args:
        image: schema of the form's field `image`.
        text: schema of the key `image` in JSON.
        example: a value of that key.
    """

    def closed(**properties: Json) -> Json:
        return {"type": "object", "required": ["image"], "properties": properties, "additionalProperties": False}

    parameters = parameter_schemas()
    nullable = {name: or_null(schema) for name, schema in parameters.items()}
    form = {"multipart/form-data": {"schema": closed(image=image, **parameters)}}
    body = json_content(closed(image=text, **nullable), {"image": example, "beam_size": 5})
    description = "The picture, as a form's file, as text in JSON, or as the bare bytes under any content type."
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema, "description": schema["description"]}
            for name, schema in parameters.items()
        ],
        "requestBody": body | {"description": description, "content": form | body["content"] | BYTES},
    }
