"""Answers about pictures, and the cards of captioners."""

import time
from typing import Annotated, Any, Literal, Self
from uuid import uuid4

from pydantic import ConfigDict, Field

from app.http.dialects import ErrorResponse
from app.http.schema import UNLESS_NONE, ModelCard, ModelInfo, Schema
from app.tasks.captioning.service import PictureJob
from model.checkpoint import Checkpoint


class WordChoice(Schema):
    """A word that may stand in another's place."""

    text: Annotated[str | None, UNLESS_NONE] = None
    """Left out where it is the end of the caption."""
    logprob: float
    """Natural logarithm of its probability there."""


class Token(Schema):
    """A word of a caption."""

    text: str
    logprob: float
    """Natural logarithm of its probability, given the picture and the words before it."""
    attention: Annotated[list[list[float]] | None, UNLESS_NONE] = None
    """Attention of the network: rows by columns over the picture, adding up to 1. Only with attention=true."""
    top_logprobs: Annotated[tuple[WordChoice, ...] | None, UNLESS_NONE] = None
    """The likeliest in its place after the words before it, likeliest first; only with top_logprobs, and never in the
    events of a stream that are sent before the caption is done."""


class Caption(Schema):
    """A sentence about the picture."""

    text: str
    """With format=alt, alternative text; see there and at min_confidence when it is empty."""
    logprob: float
    """Natural logarithm of the sentence's probability, its end included."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    """The probability that the caption is good, as the model's card defines it; without a calibration, the geometric
    mean of the words' probabilities."""
    finish_reason: Literal["stop", "length"]
    """`stop`: the sentence is complete; `length`: it was cut at max_length."""
    tokens: tuple[Token, ...]
    """The words that the network wrote, also where `text` has others."""
    original: Annotated[str | None, UNLESS_NONE] = None
    """The sentence of these words, where `text` is another."""
    needs_review: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    """True where the caption's confidence is below min_confidence, so that `text` does not have it. Else left out."""


class Tag(Schema):
    """A thing in the picture."""

    name: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    """The probability that it is there."""


class ImageInfo(Schema):
    """The picture as it was decoded."""

    width: int
    """Pixels, with the picture upright."""
    height: int
    format: str


class Timing(Schema):
    """Where the time went, in milliseconds."""

    queue: float
    """Waiting for a thread to decode the picture, and for the network."""
    decode: float
    """Bytes to pixels of the network's size."""
    encode: float
    """Pixels to features."""
    generate: float
    """Features to words."""
    total: float
    """From the last byte of the request to the answer."""


class TreeNode(Schema):
    """A hypothesis that beam search kept for a step."""

    parent: Annotated[int | None, UNLESS_NONE] = None
    """Place of its parent in the step before; left out in the first step."""
    text: Annotated[str | None, UNLESS_NONE] = None
    """The word that it adds; left out where it has ended, then or before."""
    logprob: float
    """Log-probability of all its words; where it has ended, its end included."""
    finished: bool
    """Whether it has ended."""
    kept: bool
    """Whether another step goes on from it; in the last step, whether it is one of the captions."""


class BeamTree(Schema):
    """The hypotheses of beam search, step by step."""

    steps: list[list[TreeNode]]
    """The hypotheses that each step kept; one that has ended stays as it is."""
    captions: list[int]
    """Each caption's place in the last step, best first."""


class CaptionResponse(Schema):
    """Captions of a picture."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "caption-4b9c4f1ea2f14c35b1f3f9a2f4f0f1c7",
                "model": {"name": "flickr8k-coco", "sha256": "3f0c…"},
                "captions": [
                    {
                        "text": "a brown dog is running through the grass",
                        "logprob": -5.07,
                        "confidence": 0.57,
                        "finish_reason": "stop",
                        "tokens": [{"text": "a", "logprob": -0.21}, {"text": "brown", "logprob": -0.74}],
                    }
                ],
                "image": {"width": 1024, "height": 768, "format": "JPEG"},
                "timing_ms": {"queue": 0.1, "decode": 9.8, "encode": 27.3, "generate": 21.4, "total": 58.9},
            }
        }
    )

    id: str
    model: ModelInfo
    captions: list[Caption]
    """Best first."""
    image: ImageInfo
    timing_ms: Timing
    tree: Annotated[BeamTree | None, UNLESS_NONE] = None
    """Only with tree=true."""
    tags: Annotated[list[Tag] | None, UNLESS_NONE] = None
    """Likeliest first; only with tags=true."""

    @classmethod
    def of(cls, job: PictureJob, checkpoint: Checkpoint[Any, Any], received: float, id: str | None = None) -> Self:
        """The response about a picture that has its captions; `received` is when the request came."""
        seconds = job.seconds | {"total": time.perf_counter() - received}
        whole = {
            "id": id or new_id(),
            "model": checkpoint,
            "captions": job.captions,
            "image": job.picture,
            "timing_ms": {stage: round(1000 * value, 2) for stage, value in seconds.items()},
            "tree": job.beams and {"steps": job.beams.steps, "captions": job.beams.sequences},
            "tags": job.tags,
        }
        return cls.model_validate(whole)


def new_id() -> str:
    """A new id for a response."""
    return f"caption-{uuid4().hex}"


class BatchResponse(Schema):
    """Captions of several pictures."""

    results: list[CaptionResponse | ErrorResponse]
    """One for each picture, in the order in which they were sent."""


class CaptionerCard(ModelCard):
    """A model that describes pictures."""

    task: Literal["image-to-text"] = "image-to-text"
    """Hugging Face's name of the task."""
    encoder: str
    preprocessing: dict[str, Any]
    """From a picture to the encoder's input. Where `resize` is `crop`, that is the square in its middle, whose side is
    `crop_fraction` of the picture's shorter one, and attention lies over that square alone."""
    decoder: str
    decoding: dict[str, Any]
    """Its defaults for the parameters of a request."""
    tags: bool
    """True if it can tell tags."""
