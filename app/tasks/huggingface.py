"""Hugging Face's inference contract, by the task of the model: what a request may say, in our own terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from app.http.fields import (
    decoding_config,
    errors_in_terms_of,
    invalid,
    parameter_schemas,
    require_json_type,
    unknown,
    whole,
)
from app.http.openapi import closed, unsupported
from app.serving.generation import TextRequest
from app.settings import Settings
from app.tasks.text.openai import CompletionRequest, limited, merged, request_schema, text_requests
from app.tasks.text.openai import parse as parse_completion
from model.tasks.captioning.config import DecodingConfig
from model.tasks.text.config import GenerationConfig

_CAPTION_NAMES = {
    "num_beams": "beam_size",
    "num_return_sequences": "num_captions",
    "max_new_tokens": "max_length",
    "max_length": "max_length",
    "min_new_tokens": "min_length",
    "min_length": "min_length",
    "length_penalty": "length_penalty",
    "diversity_penalty": "diversity",
    "no_repeat_ngram_size": "block_ngram",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "seed": "seed",
}
"""Parameters of `transformers` that captioners have -> what they are called here."""
_TEXT_NAMES = {
    "max_new_tokens": "max_tokens",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "repetition_penalty": "repetition_penalty",
    "stop": "stop",
    "stop_sequences": "stop",
    "seed": "seed",
    "num_return_sequences": "n",
    "top_n_tokens": "logprobs",
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "adapter_id": (),
    "best_of": (1,),
    "early_stopping": (True, False, "never"),
    "epsilon_cutoff": (0,),
    "eta_cutoff": (0,),
    "frequency_penalty": (0,),
    "grammar": (),
    "num_beam_groups": (1,),
    "penalty_alpha": (0,),
    "truncate": (),
    "typical_p": (1,),
    "use_cache": (True, False),
    "watermark": (False,),
}
"""Parameters that are not supported -> the values besides null that ask for nothing."""
_FLAGS = ("return_full_text", "details", "decoder_input_details", "do_sample")
_BODY = ("inputs", "parameters", "stream", "options")


def caption_decoding(defaults: DecodingConfig, given: Mapping[str, Any]) -> DecodingConfig:
    """How to caption, by the parameters of a request for `image-to-text`.

    `do_sample` is true: at random; false: by beam search, greedily with one beam. A length beyond the model's own
    changes nothing, as callers who ask for 250 tokens mean a bound.

    Raises:
        Refusal: naming the parameter.
    """
    nested = given.get("generation_parameters") or {}
    if not isinstance(nested, dict):
        raise invalid("generation_parameters", nested, "an object is needed")
    given = _known({**nested, **given}, (*_CAPTION_NAMES, "do_sample", "generation_parameters"))
    ours = {_CAPTION_NAMES[name]: value for name, value in given.items() if name in _CAPTION_NAMES}
    with errors_in_terms_of(_theirs(_CAPTION_NAMES, given)):
        for name, value in ours.items():
            require_json_type(name, value)
    if isinstance(most := ours.get("max_length"), int) and most > defaults.max_length:
        del ours["max_length"]
    if "do_sample" in given:
        ours["method"] = (
            "sample" if _boolean("do_sample", given) else "greedy" if ours.get("beam_size") == 1 else "beam"
        )
    with errors_in_terms_of(_theirs(_CAPTION_NAMES, given)):
        return decoding_config(defaults, ours)


@dataclass(frozen=True)
class TextInference:
    """What a request for `text-generation` asks for."""

    completion: CompletionRequest
    """The same, as OpenAI would have it."""
    texts: list[TextRequest]
    full_text: bool
    """Whether to answer with the prompt in front."""
    details: bool
    """Whether to tell the tokens."""

    @classmethod
    def parse(cls, document: Mapping[str, Any], defaults: GenerationConfig, settings: Settings) -> Self:
        """A JSON object to a request.

        Args:
            document: the body.
            defaults: the model's own.
            settings: the operator's limits.

        Raises:
            Refusal: naming what is wrong.
        """
        given = _known(parameters(document), (*_TEXT_NAMES, *_FLAGS))
        told = {name: _boolean(name, given) for name in _FLAGS if name in given}
        details, stream = told.get("details", False), _boolean("stream", document)
        ours = {_TEXT_NAMES[name]: value for name, value in given.items() if name in _TEXT_NAMES}
        ours |= {"prompt": document.get("inputs"), "echo": told.get("decoder_input_details", False), "stream": stream}
        if details or stream:
            ours.setdefault("logprobs", 0)
        if told.get("do_sample") is False:
            ours["temperature"] = 0.0
        if not isinstance(ours["prompt"], str):
            raise invalid("inputs", ours["prompt"], "text is needed")
        with errors_in_terms_of(_theirs(_TEXT_NAMES, given)):
            completion, drawing = parse_completion(ours)
            generation = merged(limited(defaults, settings), drawing)
            texts = text_requests(completion, generation, settings)
        if stream and len(texts) > 1:
            raise invalid("num_return_sequences", len(texts), "a stream has one text")
        return cls(completion, texts, told.get("return_full_text", True), details)


def parameters_schema() -> dict[str, Any]:
    """JSON schema of the parameters, those of captions and those of text."""
    captions, text = parameter_schemas(), request_schema()["properties"]
    found: dict[str, list[dict[str, Any]]] = {}
    for theirs, ours, schemas in (
        *((theirs, ours, captions) for theirs, ours in _CAPTION_NAMES.items()),
        *((theirs, ours, text) for theirs, ours in _TEXT_NAMES.items()),
    ):
        found.setdefault(theirs, []).append(schemas[ours])
    flags = {name: {"type": "boolean"} for name in _FLAGS}
    neutral = {name: ("this server has none of it", values) for name, values in _NEUTRAL.items()}
    known = {name: schemas[0] if len(schemas) == 1 else {"anyOf": schemas} for name, schemas in found.items()}
    return closed(known | flags | unsupported(neutral) | {"generation_parameters": {"type": "object"}})


def parameters(document: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a JSON body.

    Raises:
        Refusal: they are no object, or the body has something else.
    """
    for name in document:
        if name not in _BODY:
            raise unknown(name, _BODY)
    found = document.get("parameters")
    if not isinstance(found, dict | None):
        raise invalid("parameters", found, "an object is needed")
    return found or {}


def _known(parameters: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The parameters that say something."""
    given = {}
    for name, value in whole(parameters).items():
        if value is None:
            continue
        if name in names:
            given[name] = value
        elif name not in _NEUTRAL:
            raise unknown(name, names)
        elif value not in _NEUTRAL[name]:
            raise invalid(name, value, "not supported")
    return given


def _theirs(names: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, str]:
    """Our names of the parameters -> those that the caller used, or would."""
    theirs = {ours: name for name, ours in reversed(list(names.items()))}
    return theirs | {names[name]: name for name in given if name in names}


def _boolean(name: str, given: Mapping[str, Any]) -> bool:
    value = given.get(name) or False
    if not isinstance(value, bool):
        raise invalid(name, value, "true or false is needed")
    return value
