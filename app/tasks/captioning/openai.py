"""POST /v1/chat/completions: a message with a picture in, a caption as the answer, in OpenAI's contract."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, FailFast, Field, model_validator

from app.errors import Refusal
from app.http.body import Body, Ignored, Needed, Unsupported, overrides
from app.http.contract import Contract
from app.http.dialects import OPENAI
from app.http.events import EventStream
from app.http.fields import errors_in_terms_of, invalid
from app.http.openapi import EXAMPLE, Json, errors, event_stream, json_content
from app.http.requests import picture_of, read_body, while_connected
from app.http.schema import Schema
from app.serving.engine import Engine
from app.tasks.captioning.parameters import decoding_over
from app.tasks.captioning.service import PictureJob
from app.tasks.openai import CompletionUsage, StreamOptions, chunks, head, usage
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Caption, Word
from model.tasks.captioning.config import DecodingConfig
from model.tasks.captioning.wording import Wording

router = APIRouter(tags=["chat"])

MAX_MESSAGES = 10_000
"""Most messages of a conversation."""
_OURS = {"num_captions": "n", "max_length": "max_completion_tokens"}
"""Parameters of decoding -> OpenAI's names of them."""
SAMPLED_FROM = 1.0
"""Least temperature at which words are drawn. Clients that want a sober answer send 0.1 to 0.3, and search gives it."""
_NO_TOOLS = "a captioner calls no tools"
_OUR_PENALTY = Unsupported("block_ngram is what there is", (0,))


def few_messages(messages: Any) -> Any:
    """Refuses too many messages before each is looked at."""
    if isinstance(messages, list) and len(messages) > MAX_MESSAGES:
        raise invalid("messages", messages, f"{len(messages):,} messages: at most {MAX_MESSAGES:,} are read")
    return messages


@overrides(Wording)
@overrides(DecodingConfig)
class ChatRequest(Body):
    """A request for a chat completion: OpenAI's parameters, and those of decoding and wording."""

    messages: Annotated[
        list[dict[str, Any]],
        Field(min_length=1),
        FailFast(),
        Needed("a list of messages is needed, each an object"),
        BeforeValidator(few_messages),
    ]
    """The latest picture that the user sent counts: an `image_url` part with a data: URI, or a URL where the operator
    allows those. Text is not understood."""
    model: str | None = None
    """Name of a captioner, as in /v1/models."""
    n: Annotated[int, Field(ge=1, le=10)] = 1
    """Captions, best first."""
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most words of a caption, where that is less than the model's own `max_length`."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """The older name of max_completion_tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """From 1 on, words are drawn at random; below, the search is the model's own, which is surer than to draw."""
    logprobs: bool = False
    """Whether to return each word's log-probability."""
    stream: bool = False
    """Whether to send the caption word by word, as server-sent events."""
    stream_options: StreamOptions | None = None
    stop: Annotated[Any, Unsupported("a caption ends by itself", ([],))] = None
    top_logprobs: Annotated[Any, Unsupported("only the words of the caption have log-probabilities", (0,))] = None
    presence_penalty: Annotated[Any, _OUR_PENALTY] = None
    frequency_penalty: Annotated[Any, _OUR_PENALTY] = None
    logit_bias: Annotated[Any, Unsupported("tokens have no numbers here", ({},))] = None
    response_format: Annotated[Any, Unsupported("a caption is plain text", ({"type": "text"},))] = None
    modalities: Annotated[Any, Unsupported("a caption is text", (["text"],))] = None
    tools: Annotated[Any, Unsupported(_NO_TOOLS, ([],))] = None
    tool_choice: Annotated[Any, Unsupported(_NO_TOOLS, ("none", "auto"))] = None
    functions: Annotated[Any, Unsupported(_NO_TOOLS, ([],))] = None
    function_call: Annotated[Any, Unsupported(_NO_TOOLS, ("none", "auto"))] = None
    audio: Annotated[Any, Unsupported("a caption is text")] = None
    prediction: Annotated[Any, Unsupported("a caption is short")] = None
    web_search_options: Annotated[Any, Unsupported("only the picture is looked at")] = None
    metadata: Ignored = None
    moderation: Ignored = None
    parallel_tool_calls: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_options: Ignored = None
    prompt_cache_retention: Ignored = None
    reasoning_effort: Ignored = None
    safety_identifier: Ignored = None
    service_tier: Ignored = None
    store: Ignored = None
    user: Ignored = None
    verbosity: Ignored = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stream_options and not self.stream:
            raise Refusal("invalid_parameter", "stream_options: only with stream=true", "stream_options")
        return self

    def decoding(self, defaults: DecodingConfig) -> DecodingConfig:
        """The search that the request asks for.

        Raises:
            Refusal: names the parameter that is at odds with another.
        """
        wanted = self.given(DecodingConfig)
        if self.n > 1:
            wanted.setdefault("num_captions", self.n)
        if self.temperature and self.temperature >= SAMPLED_FROM:
            wanted = {"method": "sample", "temperature": self.temperature} | wanted
        most = self.max_completion_tokens or self.max_tokens
        if most and most < defaults.max_length:
            wanted.setdefault("max_length", most)
        with errors_in_terms_of(_OURS):
            return decoding_over(defaults, wanted)

    def image_url(self) -> str:
        """The URL of the one picture in the user's latest message that has any; a later question is about it too.

        Raises:
            Refusal: there is none, or there are several.
        """
        spoken = [message.get("content") for message in self.messages if message.get("role") == "user"]
        if not spoken:
            raise _refusal("there is no message with the role user")
        for content in reversed(spoken):
            parts = content if isinstance(content, list) else []
            pictures = [part for part in parts if isinstance(part, dict) and part.get("type") == "image_url"]
            if len(pictures) > 1:
                raise _refusal(
                    f"the user's latest message with one has {len(pictures)} pictures; a caption is about one"
                )
            if pictures:
                return _url(pictures[0])
        needed = '{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,..."}}'
        raise _refusal(f"the user has sent no picture, and a captioner can't chat; send a part {needed}")


def _url(part: Mapping[str, Any]) -> str:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise _refusal('an image_url part has no URL; {"image_url": {"url": "data:..."}} is needed')
    return url


def _refusal(message: str) -> Refusal:
    return Refusal("invalid_parameter", message, "messages")


class ChatMessage(Schema):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str
    """The caption."""
    refusal: str | None
    """The reason why `content` is not the caption: its confidence is below min_confidence."""


class ChatTokenLogprob(Schema):
    """A word of a caption, in OpenAI's terms."""

    token: str
    logprob: float
    """Natural logarithm of its probability, given the picture and the words before it."""
    bytes: list[int]
    top_logprobs: list[Any]
    """Always empty."""


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
    """Only with logprobs=true."""
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
    """Words of the captions; the picture counts for none."""


_PARTS = [{"type": "text", "text": "What is in this picture?"}, {"type": "image_url", "image_url": {"url": EXAMPLE}}]
_EXAMPLE = {"messages": [{"role": "user", "content": _PARTS}]}
_ANSWERS = {200: {"content": event_stream()}} | errors(
    OPENAI,
    {
        400: "A body or a picture that can't be read, no picture, or a parameter that is wrong",
        404: "No such captioner",
        415: "The body is not JSON, or the picture of a format that is not read",
        504: "It took too long",
    },
)


@router.post("/models/{name:path}/v1/chat/completions", response_model=ChatResponse, include_in_schema=False)
@router.post(
    "/v1/chat/completions",
    response_model=ChatResponse,
    responses=_ANSWERS,
    openapi_extra={"requestBody": json_content(ChatRequest.json_schema(), _EXAMPLE)},
)
@Contract(errors=OPENAI, task="captioning")
async def create_chat_completion(request: Request) -> ChatResponse | EventStream:
    """Describes the latest picture that the user sent; a captioner does not understand what else is said.

    The contract is OpenAI's: their clients work with `base_url` set to `/v1` here. The picture comes as an `image_url`
    part with a `data:` URI, or a URL where the operator allows those. Parameters of `/v1/captions`, such as
    `beam_size`, may stand beside OpenAI's own; those that a captioner has no use for are ignored where they can't
    change the answer, and refused where they would.
    """
    engine: Engine = request.app.state.engine
    asked = await read_body(request, ChatRequest)
    # Hugging Face's client makes an address of a model's, and does not name the model in the body.
    checkpoint = engine.find(CAPTIONING, request.path_params.get("name", asked.model))
    decoding = asked.decoding(checkpoint.config.decoding)
    picture = await picture_of(request, asked.image_url(), "messages")
    job = PictureJob(picture, decoding, wording=asked.given(Wording))
    del picture  # the worker lets go of it once it is decoded
    (task,) = engine.worker(checkpoint).submit([job])
    captions = (await while_connected(request, task)).captions
    words = usage(0, sum(len(caption.tokens) for caption in captions))
    object = f"chat.completion{'.chunk' if asked.stream else ''}"
    start = head("chatcmpl", object, checkpoint.name) | {"system_fingerprint": checkpoint.sha256[:16]}
    if asked.stream:
        pieces = _pieces(captions, asked.logprobs)
        return EventStream(chunks(pieces, start, asked.stream_options, lambda: words, request.scope))
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": caption.text, "refusal": _refused(caption)},
            "logprobs": _logprobs(caption.tokens) if asked.logprobs else None,
            "finish_reason": caption.finish_reason,
        }
        for index, caption in enumerate(captions)
    ]
    return ChatResponse.model_validate({**start, "choices": choices, "usage": words})


def pieces_of(caption: Caption) -> Iterator[tuple[str, Sequence[Word]]]:
    """A caption's text, word by word; whole where its words are not the network's. Each piece with its words."""
    if caption.original is not None:
        yield caption.text, caption.tokens
        return
    begin = 0
    for token in caption.tokens:
        end = caption.text.index(token.text, begin) + len(token.text)  # it may be tied to the word before it
        yield caption.text[begin:end], [token]
        begin = end


async def _pieces(captions: Sequence[Caption], logprobs: bool) -> AsyncIterator[Json]:
    """Captions word by word. A caption is short: it is found as a whole, which beam search needs, and then cut."""
    for index, caption in enumerate(captions):
        blank = {"index": index, "delta": {}, "logprobs": None, "finish_reason": None}
        yield blank | {"delta": {"role": "assistant", "content": ""}}
        for text, words in pieces_of(caption):
            delta = {"content": text} if caption.original is None else {"content": text, "refusal": _refused(caption)}
            yield blank | {"delta": delta, "logprobs": _logprobs(words) if logprobs else None}
        yield blank | {"finish_reason": caption.finish_reason}


def _refused(caption: Caption) -> str | None:
    """The reason why a caption is not told, or only what is sure of it."""
    if not caption.needs_review:
        return None
    return f"needs review: the caption is not sure enough, with a confidence of {caption.confidence:.2f}"


def _logprobs(words: Iterable[Word]) -> Json:
    """Words and their log-probabilities, in OpenAI's shape."""
    content = [
        {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode()), "top_logprobs": []}
        for token in words
    ]
    return {"content": content, "refusal": None}
