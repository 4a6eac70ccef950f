"""OpenAI's chat completions, as a captioner understands them: one picture in, a caption as the assistant's answer."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from app.errors import Refusal
from app.http.fields import decoding_config, errors_in_terms_of, parameter_schemas, refused, require_json_type, unknown
from app.http.openapi import closed, unsupported
from app.tasks.text.openai import StreamOptions
from model.tasks.captioning.captioner import Caption
from model.tasks.captioning.config import DecodingConfig

_ONLY_NEUTRAL: dict[str, tuple[str, tuple[Any, ...]]] = {
    "stop": ("a caption ends by itself", ([],)),
    "top_logprobs": ("only the words of the caption have log-probabilities", (0,)),
    "presence_penalty": ("block_ngram is what there is", (0,)),
    "frequency_penalty": ("block_ngram is what there is", (0,)),
    "logit_bias": ("tokens have no numbers here", ({},)),
    "response_format": ("a caption is plain text", ({"type": "text"},)),
    "modalities": ("a caption is text", (["text"],)),
    "tools": ("a captioner calls none", ([],)),
    "tool_choice": ("a captioner calls no tools", ("none", "auto")),
    "functions": ("a captioner calls none", ([],)),
    "function_call": ("a captioner calls no functions", ("none", "auto")),
    "audio": ("a caption is text", ()),
    "prediction": ("a caption is short", ()),
    "web_search_options": ("only the picture is looked at", ()),
}
"""Parameters that must say nothing -> why, and which values besides null say nothing."""
_IGNORED = (
    "metadata",
    "moderation",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
)
_OURS = {"num_captions": "n", "max_length": "max_completion_tokens"}


class ChatRequest(BaseModel):
    """The parameters that are OpenAI's; those of `DecodingConfig` come on top."""

    model_config = ConfigDict(strict=True, frozen=True, use_attribute_docstrings=True)

    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    """The last one of the user has the picture, as an `image_url` part with a data: URI, or a URL where the operator
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
    """More than 0 draws the words at random; 0 searches for the likeliest, as does the model left to itself."""
    logprobs: bool = False
    """Whether to return each word's log-probability."""
    stream: bool = False
    """Whether to send the caption word by word, as server-sent events."""
    stream_options: StreamOptions | None = None

    @field_validator("messages", mode="before")
    @classmethod
    def _has_messages(cls, value: Any) -> Any:
        if not isinstance(value, list) or not value or not all(isinstance(message, dict) for message in value):
            raise PydanticCustomError("messages", "A list of messages is needed, each an object")
        return value

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Of a request's body. Parameters of decoding have no default here, it is the model's to say."""
        theirs = cls.model_json_schema()["properties"] | {"stream_options": StreamOptions.model_json_schema()}
        ours = {name: part for name, part in parameter_schemas().items() if name in DecodingConfig.model_fields}
        ignored = {name: {"description": "Ignored."} for name in _IGNORED}
        return closed({**ours, **theirs, **unsupported(_ONLY_NEUTRAL), **ignored}, ["messages"])

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> tuple["ChatRequest", dict[str, Any]]:
        """A JSON object to a request and what it says of decoding beyond it; a null counts as not given.

        Raises:
            Refusal: naming the parameter: unknown, of the wrong type, out of range, or not supported.
        """
        given = {name: value for name, value in document.items() if value is not None}
        names = (*cls.model_fields, *DecodingConfig.model_fields, *_ONLY_NEUTRAL, *_IGNORED)
        for name, value in given.items():
            if name not in names:
                raise unknown(name, names)
            why, neutral = _ONLY_NEUTRAL.get(name, ("", (value,)))
            if value not in neutral:
                raise Refusal("invalid_parameter", f"{name}: not supported: {why}", name)
        ours = {
            name: given[name] for name in given.keys() & DecodingConfig.model_fields.keys() - cls.model_fields.keys()
        }
        for name, value in ours.items():
            require_json_type(name, value)
        try:
            request = cls.model_validate({name: given[name] for name in given.keys() & cls.model_fields.keys()})
        except ValidationError as error:
            raise refused(error, given) from error
        if request.stream_options and not request.stream:
            raise Refusal("invalid_parameter", "stream_options: only with stream=true", "stream_options")
        return request, ours

    def decoding(self, defaults: DecodingConfig, ours: Mapping[str, Any]) -> DecodingConfig:
        """How to caption.

        Args:
            defaults: the model's own.
            ours: what the request says in our own terms.

        Raises:
            Refusal: naming the parameter.
        """
        wanted: dict[str, Any] = dict(ours)
        if self.n > 1:
            wanted.setdefault("num_captions", self.n)
        if self.temperature:
            wanted = {"method": "sample", "temperature": self.temperature} | wanted
        most = self.max_completion_tokens or self.max_tokens
        if most and most < defaults.max_length:
            wanted.setdefault("max_length", most)
        with errors_in_terms_of(_OURS):
            return decoding_config(defaults, wanted)

    def image_url(self) -> str:
        """The one picture of the user's last message, as it stands there.

        Raises:
            Refusal: there is none, or there are several.
        """
        spoken = [message for message in self.messages if message.get("role") == "user"]
        if not spoken:
            raise _refusal("there is no message with the role user")
        content = spoken[-1].get("content")
        parts = content if isinstance(content, list) else []
        urls = [_url(part) for part in parts if isinstance(part, dict) and part.get("type") == "image_url"]
        if not urls:
            needed = '{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,..."}}'
            raise _refusal(f"the user's last message has no picture, and a captioner can't chat; send a part {needed}")
        if len(urls) > 1:
            raise _refusal(f"the user's last message has {len(urls)} pictures; a caption is about one")
        return urls[0]


def _url(part: Mapping[str, Any]) -> str:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise _refusal('an image_url part has no URL; {"image_url": {"url": "data:..."}} is needed')
    return url


def _refusal(message: str) -> Refusal:
    return Refusal("invalid_parameter", message, "messages")


def logprobs(caption: Caption) -> dict[str, Any]:
    """A caption's words and their log-probabilities, in OpenAI's shape."""
    return {
        "content": [
            {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode()), "top_logprobs": []}
            for token in caption.tokens
        ],
        "refusal": None,
    }


def words(text: str) -> Iterator[str]:
    """Pieces of a sentence that are the sentence when joined."""
    return (found[0] for found in re.finditer(r"\s*\S+", text))
