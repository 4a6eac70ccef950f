"""Shapes of the answers, as they stand in /docs."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

UNLESS_NONE = Field(exclude_if=lambda value: value is None)
"""Left out of the answer where there is nothing to say."""


class Schema(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class Token(Schema):
    """A word of a caption."""

    text: str
    logprob: float
    """Natural logarithm of its probability, given the picture and the words before it."""
    attention: Annotated[list[list[float]] | None, UNLESS_NONE] = None
    """Where the network looked: rows by columns over the picture, adding up to 1. With attention=true alone."""


class Caption(Schema):
    """A sentence about the picture."""

    text: str
    logprob: float
    """Natural logarithm of the sentence's probability, its end included."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    """How likely the caption is good, as the model's card defines it. A model that was not calibrated tells the
    geometric mean of the words' probabilities."""
    finish_reason: Literal["stop", "length"]
    """`stop`: the sentence is complete; `length`: it was cut at max_length."""
    tokens: tuple[Token, ...]


class ModelInfo(Schema):
    """The model that answered."""

    name: str
    sha256: str
    """Digest of its weights."""


class ImageInfo(Schema):
    """The picture as it was understood."""

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
    """What it goes on from, by its place in the step before; left out in the first step."""
    text: Annotated[str | None, UNLESS_NONE] = None
    """The word that it adds; left out where it has ended, then or before."""
    logprob: float
    """Of all its words; where it has ended, its end included."""
    finished: bool
    """Whether it has ended."""
    kept: bool
    """Whether another step goes on from it; in the last step, whether it is one of the captions."""


class BeamTree(Schema):
    """How beam search came to the captions."""

    steps: list[list[TreeNode]]
    """What each step kept; a hypothesis that has ended goes on as it is."""
    captions: list[int]
    """Of each caption, best first, the place in the last step."""


class CaptionResponse(Schema):
    """Captions of a picture."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "caption-4b9c4f1ea2f14c35b1f3f9a2f4f0f1c7",
                "model": {"name": "flickr8k", "sha256": "3f0c…"},
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
    """With tree=true alone."""


class CompletionLogprobs(Schema):
    """The tokens of a text, and their probabilities; four lists of one length."""

    tokens: list[str]
    token_logprobs: list[float | None]
    """Natural logarithms of the model's own probabilities, before temperature and the like; null for the first token of
    a prompt."""
    top_logprobs: list[dict[str, float] | None]
    """Of the likeliest tokens in its place, and its own."""
    text_offset: list[int]
    """Where it begins in `text`, in characters."""


class CompletionChoice(Schema):
    """One of the texts."""

    text: str
    index: int
    """Of its prompt times n, plus its place among the n."""
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"]
    """`stop`: before a stop string; `length`: after max_tokens."""


class CompletionUsage(Schema):
    """Tokens, which are characters or words: /v1/models says it of each language model."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionResponse(Schema):
    """Texts, in the shape of OpenAI's completions."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    """Seconds since 1970."""
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class ChatMessage(Schema):
    """What the assistant says."""

    role: Literal["assistant"]
    content: str
    """The caption."""
    refusal: None


class ChatTokenLogprob(Schema):
    """A word of a caption, as OpenAI tells it."""

    token: str
    logprob: float
    """Natural logarithm of its probability, given the picture and the words before it."""
    bytes: list[int]
    top_logprobs: list[Any]
    """None."""


class ChatLogprobs(Schema):
    """The words of a caption."""

    content: list[ChatTokenLogprob]
    refusal: None


class ChatChoice(Schema):
    """One of the captions."""

    index: int
    """Best first."""
    message: ChatMessage
    logprobs: ChatLogprobs | None
    """With logprobs=true alone."""
    finish_reason: Literal["stop", "length"]
    """`stop`: the sentence is complete; `length`: it was cut at the most words."""


class ChatResponse(Schema):
    """A caption, in the shape of OpenAI's chat completions."""

    id: str
    object: Literal["chat.completion"]
    created: int
    """Seconds since 1970."""
    model: str
    system_fingerprint: str
    """The beginning of the digest of its weights."""
    choices: list[ChatChoice]
    usage: CompletionUsage
    """Words of the captions; of the picture there are none."""


class ErrorBody(Schema):
    """What went wrong."""

    code: str
    """A short, stable name, for programs."""
    message: str
    """What was wrong and what would be right, for people."""
    field: Annotated[str | None, UNLESS_NONE] = None
    """The field to blame, where it is one."""
    request_id: str
    """Also in the header x-request-id, and in the server's log."""


class ErrorResponse(Schema):
    """Every answer that is not a success."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "code": "invalid_parameter",
                    "message": "beam_size='99': input should be less than or equal to 10",
                    "field": "beam_size",
                    "request_id": "9f3b2c1d",
                }
            }
        }
    )

    error: ErrorBody


class BatchResponse(Schema):
    """Captions of several pictures."""

    results: list[CaptionResponse | ErrorResponse]
    """Of each picture, in the order in which they were sent."""


class OpenAIErrorBody(Schema):
    """What went wrong, as OpenAI tells it."""

    message: str
    """What was wrong and what would be right, for people."""
    type: Literal["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"]
    param: str | None
    """The parameter to blame, where it is one."""
    code: str
    """A short, stable name, for programs."""


class OpenAIErrorResponse(Schema):
    """Every answer of OpenAI's API that is not a success."""

    error: OpenAIErrorBody


class HuggingFaceToken(Schema):
    """A token, as Hugging Face's text-generation-inference tells it."""

    id: int
    text: str
    logprob: float | None
    """Natural logarithm of its probability; null for the first token of a prompt."""
    special: bool


class HuggingFaceDetails(Schema):
    """How a text was written."""

    finish_reason: Literal["length", "stop_sequence"]
    generated_tokens: int
    seed: int | None
    prefill: list[HuggingFaceToken]
    """The prompt's, with decoder_input_details."""
    tokens: list[HuggingFaceToken]
    top_tokens: Annotated[list[list[HuggingFaceToken]] | None, UNLESS_NONE] = None
    """The likeliest in the place of each, with top_n_tokens."""


class GeneratedText(Schema):
    """A caption, or a text, as Hugging Face tells it."""

    generated_text: str
    details: Annotated[HuggingFaceDetails | None, UNLESS_NONE] = None
    """Of a text, with details=true."""


class HuggingFaceError(Schema):
    """What went wrong, as Hugging Face's text-generation-inference tells it."""

    error: str
    """What was wrong and what would be right, for people."""
    error_type: str


class MaxPrediction(Schema):
    """One of the captions."""

    index: str
    """Its place: the first is the best."""
    caption: str
    probability: float
    """Of the whole sentence."""


class MaxResponse(Schema):
    """Captions of a picture, as IBM's Model Asset Exchange tells them."""

    status: Literal["ok"]
    predictions: list[MaxPrediction]


class MaxMetadata(Schema):
    """A model, as IBM's Model Asset Exchange describes it."""

    id: str
    name: str
    description: str
    type: str
    license: str
    source: str
    """Where more about it is told."""


class MaxError(Schema):
    """What went wrong, as IBM's Model Asset Exchange tells it."""

    status: Literal["error"]
    message: str
    """What was wrong and what would be right."""


class _ModelCard(Schema):
    """A model that can be asked for, in the shape of OpenAI's list, and more."""

    id: str
    """What the parameter `model` takes."""
    object: Literal["model"] = "model"
    created: int
    """Seconds since 1970."""
    owned_by: Literal["recap"] = "recap"
    default: bool
    """Answers when a request for this task names no model."""
    sha256: str
    """Digest of its weights."""
    metrics: dict[str, Any]
    """Its figures, and the data and command they come from."""
    card: str
    """Its model card, in Markdown."""


class CaptionerCard(_ModelCard):
    """A model that describes pictures."""

    task: Literal["image-to-text"] = "image-to-text"
    """Hugging Face's name of what it does."""
    encoder: str
    preprocessing: dict[str, Any]
    """From a picture to what the encoder sees. Where `resize` is `crop`, that is the square in its middle, whose side
    is `crop_fraction` of the picture's shorter one, and attention lies over that square alone."""
    decoder: str
    decoding: dict[str, Any]
    """Its defaults for the parameters of a request."""


class LanguageModelCard(_ModelCard):
    """A model that writes text."""

    task: Literal["text-generation"] = "text-generation"
    """Hugging Face's name of what it does."""
    unit: Literal["character", "word"]
    """What a token is."""
    cell: str
    """Kind of its recurrent layers."""
    num_layers: int
    hidden_size: int
    generation: dict[str, Any]
    """Its defaults for the parameters of a request."""


class ModelList(Schema):
    """The models that are served."""

    object: Literal["list"] = "list"
    data: list[CaptionerCard | LanguageModelCard]


class Status(Schema):
    """How the service is."""

    status: Literal["ok", "ready"]
