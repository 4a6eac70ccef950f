"""/api/generate, /api/chat, /api/tags, /api/show, /api/ps and /api/version: Ollama's API, for programs that know it."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, ConfigDict, FailFast, Field, model_validator

from app.errors import Refusal
from app.http.body import Body, Ignored, Needed, Unsupported, overrides, parse
from app.http.contract import Contract
from app.http.dialects import Dialect, Shape
from app.http.fields import errors_in_terms_of
from app.http.openapi import EXAMPLE, Json, errors, json_content
from app.http.requests import picture_of, read_body, while_connected
from app.http.schema import UNLESS_NONE, Schema
from app.serving.engine import Engine
from app.tasks.captioning.openai import SAMPLED_FROM, few_messages, pieces_of
from app.tasks.captioning.parameters import CaptionerCheckpoint, decoding_over
from app.tasks.captioning.service import PictureJob
from model.checkpoint import WEIGHTS
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Word
from model.tasks.captioning.config import DecodingConfig
from model.tasks.captioning.wording import Wording

VERSION = "0.13.0"
"""The version of Ollama whose contract this is: some clients do without what an older one lacks."""
_TAG = ":latest"
"""Ends a name without a tag; some clients add it to each name."""
_ONLY_SAMPLED = ("seed", "top_k", "top_p")
"""Options that mean nothing unless words are drawn: clients send them with every request, in Ollama's ranges."""

router = APIRouter(prefix="/api", tags=["Ollama"])


class OllamaError(Schema):
    """An error in Ollama's words."""

    error: str
    """For people: what was wrong and what would be right."""


def _ollama(error: Refusal, status: int, request_id: str) -> Shape:
    return 400 if status in (415, 422) else status, {"error": error.message}


OLLAMA = Dialect(OllamaError, _ollama)
"""The shape of Ollama's errors, where a faulty request is a 400."""


class OllamaBody(Body):
    """A request. As with Ollama, names that are not known are passed over: clients send them to servers of all ages."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        return {name: value for name, value in document.items() if value is not None}


@overrides(Wording)
@overrides(DecodingConfig)
class Options(OllamaBody):
    """Ollama's options that a captioner has, and the parameters of `/v1/captions`; others are passed over."""

    temperature: float | None = None
    """From 1 on, words are drawn at random; below, the search is the model's own."""
    num_predict: int | None = None
    """Most words of a caption, where that is less than the model's own `max_length`."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The options of a request; raises a `Refusal` that names the one of a wrong type or out of range."""
        temperature = given.get("temperature")
        drawn = given.get("method") == "sample" or (
            isinstance(temperature, int | float) and temperature >= SAMPLED_FROM
        )
        unused = () if drawn else _ONLY_SAMPLED
        return parse(cls, {name: value for name, value in given.items() if name not in unused})

    def decoding(self, defaults: DecodingConfig) -> DecodingConfig:
        """The search that the options ask for.

        Raises:
            Refusal: names the option that is out of range or at odds with another.
        """
        wanted = self.given(DecodingConfig)
        if (self.temperature or 0) >= SAMPLED_FROM:
            wanted = {"method": "sample", "temperature": self.temperature} | wanted
        if self.num_predict is not None and 0 < self.num_predict < defaults.max_length:
            wanted.setdefault("max_length", self.num_predict)
        with errors_in_terms_of({"max_length": "num_predict"} if self.num_predict else {}):
            return decoding_over(defaults, wanted)


class OllamaRequest(OllamaBody):
    """The fields that /api/generate and /api/chat share."""

    model: Annotated[str, Needed("the name of a captioner is needed, as in /api/tags")]
    stream: bool = True
    """Whether to send the caption word by word, a JSON object a line."""
    options: Annotated[dict[str, Any], Field(default_factory=dict), Needed("an object is needed")]
    """`temperature`, `seed`, `top_k`, `top_p`, `num_predict` and the parameters of `/v1/captions`."""
    logprobs: bool = False
    """Whether to return each word's log-probability."""
    format: Annotated[Any, Unsupported("a caption is plain text", ("",))] = None
    top_logprobs: Annotated[Any, Unsupported("only the words of the caption have log-probabilities", (0,))] = None
    keep_alive: Ignored = None
    think: Ignored = None


class GenerateRequest(OllamaRequest):
    """A request to /api/generate."""

    images: Annotated[
        list[str],
        FailFast(),
        Field(default_factory=list, json_schema_extra={"maxItems": 1}),
        Needed("a list of base64 is needed"),
    ]
    """The picture, in base64. Without one and without a prompt, the answer says that the model is loaded."""
    prompt: str = ""
    """Not understood: a captioner describes the picture."""
    system: Ignored = None
    suffix: Ignored = None
    template: Ignored = None
    context: Ignored = None
    raw: Ignored = None


class ChatRequest(OllamaRequest):
    """A request to /api/chat."""

    messages: Annotated[
        list[dict[str, Any]],
        Field(default_factory=list),
        FailFast(),
        Needed("a list of messages is needed, each an object"),
        BeforeValidator(few_messages),
    ]
    """The latest picture that the user sent counts: base64 in a message's `images`. Text is not understood. Without
    messages, the answer says that the model is loaded."""
    tools: Annotated[Any, Unsupported("a captioner calls no tools", ([],))] = None

    def image(self) -> str:
        """The one picture of the user's latest message that has any; a later question is about it too.

        Raises:
            Refusal: there is none, there are several, or it is not text.
        """
        for message in reversed(self.messages):
            images = message.get("images") if message.get("role") == "user" else None
            if not images:
                continue
            if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
                raise _refusal("messages", "images of a message is a list of base64")
            return one_of(images, "messages")
        raise _refusal("messages", _NO_PICTURE)


_NO_PICTURE = 'the user has sent no picture, and a captioner can\'t chat; send base64 of one as "images": ["..."]'


def one_of(images: Sequence[str], field: str) -> str:
    """The one picture that there is; raises a `Refusal` if there are several."""
    if len(images) > 1:
        raise _refusal(field, f"there are {len(images)} pictures; a caption is about one")
    return images[0]


def _refusal(field: str, message: str) -> Refusal:
    return Refusal("invalid_parameter", message, field)


class OllamaWord(Schema):
    """A word of a caption, in Ollama's terms."""

    token: str
    logprob: float
    """Natural logarithm of its probability, given the picture and the words before it."""
    bytes: list[int]


class Answer(Schema):
    """The fields of the last line of a stream, or of an answer as a whole."""

    model: str
    """The name in the request."""
    created_at: str
    done: bool
    done_reason: Literal["stop", "length", "load"]
    """`load` is the answer to a request without a picture or a prompt."""
    confidence: Annotated[float | None, UNLESS_NONE] = None
    """The probability that the caption is good. Not in Ollama's contract."""
    needs_review: Annotated[bool | None, UNLESS_NONE] = None
    """True where the confidence is below min_confidence, so that the text is not the caption. Not Ollama's either."""
    logprobs: Annotated[list[OllamaWord] | None, UNLESS_NONE] = None
    """Only with logprobs=true."""
    total_duration: Annotated[int | None, UNLESS_NONE] = None
    """Nanoseconds from the request to the answer."""
    load_duration: Annotated[int | None, UNLESS_NONE] = None
    """Zero: all models are loaded."""
    prompt_eval_count: Annotated[int | None, UNLESS_NONE] = None
    """Zero: a picture has no tokens, and a prompt is not read."""
    prompt_eval_duration: Annotated[int | None, UNLESS_NONE] = None
    """Nanoseconds from the picture to its features."""
    eval_count: Annotated[int | None, UNLESS_NONE] = None
    """Words of the caption."""
    eval_duration: Annotated[int | None, UNLESS_NONE] = None
    """Nanoseconds from the features to the words."""


class GenerateResponse(Answer):
    """An answer of /api/generate."""

    response: str
    """The caption."""


class OllamaMessage(Schema):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str
    """The caption."""


class ChatResponse(Answer):
    """An answer of /api/chat."""

    message: OllamaMessage


class Details(Schema):
    """A model's network."""

    parent_model: str
    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str


class OllamaModel(Schema):
    """A captioner, in Ollama's words."""

    name: str
    model: str
    modified_at: str
    size: int
    """Bytes of its weights."""
    digest: str
    """SHA-256 of its weights."""
    details: Details


class OllamaModels(Schema):
    """The captioners that are served."""

    models: list[OllamaModel]


class ShowRequest(OllamaBody):
    """A request to /api/show."""

    model: str | None = None
    name: str | None = None
    """The older name of `model`."""


class ShowResponse(Schema):
    """A captioner and what it can do."""

    modelfile: str
    parameters: str
    """Defaults of the parameters of decoding."""
    template: str
    details: Details
    model_info: dict[str, Any]
    capabilities: list[str]
    modified_at: str


class OllamaVersion(Schema):
    """The contract's version."""

    version: str


_ERRORS = errors(
    OLLAMA,
    {
        400: "A body or a picture that can't be read, no picture, or a parameter that is wrong",
        404: "No such captioner",
        504: "It took too long",
    },
)
_LINES = "application/x-ndjson"
"""Content type of a stream."""
_STREAM: dict[int | str, Json] = {200: {"content": {_LINES: {}}}}
_PICTURE = EXAMPLE.partition(",")[2]


@router.post(
    "/generate",
    response_model=GenerateResponse,
    responses=_STREAM | _ERRORS,
    openapi_extra={
        "requestBody": json_content(GenerateRequest.json_schema(), {"model": "flickr8k-coco", "images": [_PICTURE]})
    },
)
@Contract(errors=OLLAMA, task="captioning")
async def ollama_generate(request: Request) -> Any:
    """Describes a picture; Ollama's clients work with this server's address as their host."""
    asked = await read_body(request, GenerateRequest)
    if not asked.images and asked.prompt:
        raise _refusal("images", _NO_PICTURE)
    image = one_of(asked.images, "images") if asked.images else None
    return await _answer(request, asked, image, GenerateResponse, lambda text: {"response": text})


@router.post(
    "/chat",
    response_model=ChatResponse,
    responses=_STREAM | _ERRORS,
    openapi_extra={
        "requestBody": json_content(
            ChatRequest.json_schema(),
            {"model": "flickr8k-coco", "messages": [{"role": "user", "content": "", "images": [_PICTURE]}]},
        )
    },
)
@Contract(errors=OLLAMA, task="captioning")
async def ollama_chat(request: Request) -> Any:
    """Describes the latest picture that the user sent; a captioner does not understand what else is said."""
    asked = await read_body(request, ChatRequest)
    image = asked.image() if asked.messages else None
    return await _answer(
        request, asked, image, ChatResponse, lambda text: {"message": {"role": "assistant", "content": text}}
    )


async def _answer(
    request: Request,
    asked: OllamaRequest,
    image: str | None,
    schema: type[Answer],
    told: Callable[[str], Json],
) -> Answer | StreamingResponse:
    """The answer as a whole or line by line; `told` puts a text where the route has it."""
    began = time.perf_counter()
    engine: Engine = request.app.state.engine
    checkpoint = find_captioner(engine, asked.model)
    options = Options.of(asked.options)
    decoding = options.decoding(checkpoint.config.decoding)
    head: Json = {"model": asked.model, "created_at": _time(time.time())}
    if image is None:
        whole = head | told("") | {"done": True, "done_reason": "load"}
        return _stream([whole]) if asked.stream else schema.model_validate(whole)
    picture = await picture_of(request, image, "images")
    job = PictureJob(picture, decoding, wording=options.given(Wording))
    del picture  # the worker lets go of it once it is decoded
    (task,) = engine.worker(checkpoint).submit([job])
    answer = await while_connected(request, task)
    caption = answer.captions[0]
    end: Json = {"done": True, "done_reason": caption.finish_reason, "confidence": caption.confidence}
    if caption.needs_review:
        end["needs_review"] = True
    end |= {
        "total_duration": _nanoseconds(time.perf_counter() - began),
        "load_duration": 0,
        "prompt_eval_count": 0,
        "prompt_eval_duration": _nanoseconds(answer.seconds["encode"]),
        "eval_count": len(caption.tokens),
        "eval_duration": _nanoseconds(answer.seconds["generate"]),
    }

    def spoken(text: str, words: Sequence[Word]) -> Json:
        return head | told(text) | ({"logprobs": _logprobs(words)} if asked.logprobs else {})

    if asked.stream:
        lines = [spoken(*piece) | {"done": False} for piece in pieces_of(caption)]
        return _stream([*lines, head | told("") | end])
    return schema.model_validate(spoken(caption.text, caption.tokens) | end)


def _stream(lines: Iterable[Json]) -> StreamingResponse:
    """A JSON object a line, in ASCII, since some clients take U+2028 and its like for the end of a line."""

    async def bodies() -> AsyncIterator[str]:
        for line in lines:
            yield json.dumps(line) + "\n"

    return StreamingResponse(bodies(), media_type=_LINES, headers={"cache-control": "no-cache"})


def _logprobs(words: Iterable[Word]) -> list[Json]:
    return [{"token": word.text, "logprob": word.logprob, "bytes": list(word.text.encode())} for word in words]


def _nanoseconds(seconds: float) -> int:
    return round(1e9 * seconds)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def find_captioner(engine: Engine, name: str | None) -> CaptionerCheckpoint:
    """A captioner by its name, with Ollama's tag or without, or the default; raises what `Registry.find` does."""
    return engine.find(CAPTIONING, name and name.removesuffix(_TAG))


def _details(checkpoint: CaptionerCheckpoint) -> Json:
    decoder = checkpoint.config.decoder.kind
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": decoder,
        "families": [decoder, checkpoint.config.encoder.name],
        "parameter_size": f"{_parameters(checkpoint) / 1e6:.1f}M",
        "quantization_level": "F16",
    }


def _parameters(checkpoint: CaptionerCheckpoint) -> int:
    """Number of a checkpoint's parameters, which has them in half precision."""
    return (checkpoint.path / WEIGHTS).stat().st_size // 2


def _models(engine: Engine) -> Json:
    found = [checkpoint for checkpoint in engine.registry.checkpoints.values() if checkpoint.task is CAPTIONING]
    return {
        "models": [
            {
                "name": f"{checkpoint.name}{_TAG}",
                "model": f"{checkpoint.name}{_TAG}",
                "modified_at": _time(checkpoint.created),
                "size": (checkpoint.path / WEIGHTS).stat().st_size,
                "digest": checkpoint.sha256,
                "details": _details(checkpoint),
            }
            for checkpoint in sorted(found, key=lambda checkpoint: checkpoint.name)
        ]
    }


@router.get("/tags")
@Contract(errors=OLLAMA)
def ollama_tags(request: Request) -> OllamaModels:
    """The captioners that are served."""
    return OllamaModels.model_validate(_models(request.app.state.engine))


@router.get("/ps")
@Contract(errors=OLLAMA)
def ollama_ps(request: Request) -> OllamaModels:
    """The captioners that are loaded, which are all."""
    return OllamaModels.model_validate(_models(request.app.state.engine))


@router.post(
    "/show",
    response_model=ShowResponse,
    responses=_ERRORS,
    openapi_extra={"requestBody": json_content(ShowRequest.json_schema(), {"model": "flickr8k-coco"})},
)
@Contract(errors=OLLAMA, body="text")
async def ollama_show(request: Request) -> ShowResponse:
    """A captioner and what it can do."""
    engine: Engine = request.app.state.engine
    asked = await read_body(request, ShowRequest)
    name = asked.model or asked.name
    if not name:
        raise _refusal("model", "model: the name of a captioner is needed, as in /api/tags")
    checkpoint = find_captioner(engine, name)
    config = checkpoint.config
    return ShowResponse(
        modelfile="",
        parameters="\n".join(
            f"{name} {value}" for name, value in config.decoding.model_dump(exclude_none=True).items()
        ),
        template="",
        details=Details.model_validate(_details(checkpoint)),
        model_info={
            "general.architecture": config.decoder.kind,
            "general.basename": checkpoint.name,
            "general.parameter_count": _parameters(checkpoint),
        },
        capabilities=["completion", "vision"],
        modified_at=_time(checkpoint.created),
    )


@router.get("/version")
@Contract(errors=OLLAMA)
def ollama_version() -> OllamaVersion:
    """The version of Ollama whose contract this is."""
    return OllamaVersion(version=VERSION)
