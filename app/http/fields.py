"""The parameters of a caption, from query, form and JSON alike, to a decoding configuration."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from reprlib import Repr
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.errors import Refusal
from model.tasks.captioning.config import DecodingConfig

DESCRIPTIONS = {
    "model": "Name of the model, as in /v1/models.",
    "method": "How words are chosen: the likeliest each time, beam search, or at random by their probability.",
    "beam_size": "Captions kept in view at each step of beam search.",
    "num_captions": "Captions to return, best first.",
    "max_length": "Most words in a caption.",
    "min_length": "Fewest words before a caption may end.",
    "length_penalty": "Captions rank by log-probability / length ** length_penalty: 0 is off, more favours long ones.",
    "temperature": "Sampling: below 1 is safer, above 1 more varied.",
    "top_k": "Sampling: only among this many likeliest words; 0 is off.",
    "top_p": "Sampling: only among the fewest words whose probabilities reach this sum; 1 is off.",
    "diversity": "Beam search with several captions: how strongly each avoids the words of those before it.",
    "block_ngram": "No run of this many words comes twice in a caption; 0 is off.",
    "neutral": 'Say "person" rather than guess at gender or the colour of skin.',
    "seed": "Makes sampling repeatable.",
    "prefix": "Words that each caption begins with.",
    "attention": "Also return, for each word, where in the picture the network looked.",
    "tree": "Also return the hypotheses that beam search kept at each step.",
}

_SHORT = Repr()
"""Shows the first few items of a list or an object, at any depth, and the beginning of a text."""
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = 20
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 1000
_STRING: TypeAdapter[str] = TypeAdapter(str)
_BOOLEAN: TypeAdapter[bool] = TypeAdapter(bool)


def parameter_schemas() -> dict[str, dict[str, Any]]:
    """JSON schema of each parameter, without its default, which is the model's to say."""
    schemas: dict[str, dict[str, Any]] = {"model": {"type": "string"}}
    for name, schema in DecodingConfig.model_json_schema()["properties"].items():
        schemas[name] = next((part for part in schema.get("anyOf", ()) if part["type"] != "null"), schema)
    schemas |= {"attention": {"type": "boolean"}, "tree": {"type": "boolean"}}
    return {
        name: {key: value for key, value in schema.items() if key not in ("title", "default", "description")}
        | {"description": DESCRIPTIONS[name]}
        for name, schema in schemas.items()
    }


_KINDS = {name: schema["type"] for name, schema in parameter_schemas().items()}
"""JSON's type of each parameter."""


def merge(*sources: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Names and values of all sources in one; a null, or an empty value in a form, counts as not given.

    Raises:
        Refusal: an unknown name, or one name with two values.
    """
    merged: dict[str, Any] = {}
    for name, value in (pair for source in sources for pair in source):
        if name not in DESCRIPTIONS:
            raise unknown(name, ("image", *DESCRIPTIONS))
        if value is None or (value == "" and name != "prefix"):
            continue
        # Text compares with JSON's values by the way both are written: 3 and "3", true and "True".
        if name in merged and str(merged[name]).lower() != str(value).lower():
            raise Refusal("conflicting_parameter", f"{name} is both {merged[name]!r} and {value!r}", name)
        merged[name] = value
    return merged


def whole(document: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object whose numbers are integers where they have no fraction: JSON has one kind of number, 3 is 3.0."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in document.items()
    }


def require_json_type(name: str, value: Any) -> None:
    """Holds a value that came as JSON to JSON's types.

    Raises:
        Refusal: it is of another type than the parameter of this name.
    """
    kind = _KINDS.get(name)
    if value is None or kind is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not {"string": isinstance(value, str), "boolean": isinstance(value, bool)}.get(kind, is_number):
        raise invalid(name, value, f"a JSON {'number' if kind == 'integer' else kind} is needed")


def unknown(name: str, names: Collection[str]) -> Refusal:
    """The error of a parameter that is none of `names`."""
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return Refusal("unknown_parameter", f"unknown parameter {shown(name)}; {hint}", name[:100])


def shown(value: object) -> str:
    """A value for a message, cut where it is long; of a long one, no more than the beginning is looked at."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def model_name(parameters: Mapping[str, Any]) -> str | None:
    """The model asked for.

    Raises:
        Refusal: it is not text.
    """
    name: str | None = _validated(_STRING, "model", parameters.get("model", ...))
    return name


def wants(name: str, parameters: Mapping[str, Any]) -> bool:
    """Whether an extra, `attention` or `tree`, was asked for.

    Raises:
        Refusal: it is neither true nor false.
    """
    return bool(_validated(_BOOLEAN, name, parameters.get(name, ...)))


def _validated(adapter: TypeAdapter[Any], name: str, value: Any) -> Any:
    try:
        return None if value is ... else adapter.validate_python(value)
    except ValidationError as error:
        raise invalid(name, value, error.errors()[0]["msg"]) from error


def invalid(name: str, value: object, reason: str) -> Refusal:
    """The error of a parameter that has the wrong type or is out of range."""
    return Refusal("invalid_parameter", f"{name}={shown(value)}: {reason[0].lower()}{reason[1:]}", name)


def refused(error: ValidationError, given: Mapping[str, Any]) -> Refusal:
    """The error of the first parameter that pydantic does not like."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    return invalid(name, given.get(name), first["msg"])


@contextmanager
def errors_in_terms_of(names: Mapping[str, str]) -> Iterator[None]:
    """Errors about our parameters call them what the caller calls them: `names`, ours to theirs."""
    try:
        yield
    except Refusal as error:
        error.message = re.sub("|".join(rf"\b{name}\b" for name in names), lambda ours: names[ours[0]], error.message)
        error.field = names.get(error.field or "", error.field)
        raise


def decoding_config(defaults: DecodingConfig, parameters: Mapping[str, Any]) -> DecodingConfig:
    """The model's defaults with what the caller gave; where the two don't go together, the default gives way.

    Raises:
        Refusal: naming the parameter: out of its range, or at odds with another that was given.
    """
    given = {name: value for name, value in parameters.items() if name in DecodingConfig.model_fields}
    # Each on its own first: in range and of its type, so that they can be compared.
    neutral = {"method": "beam", "beam_size": 10, "num_captions": 1, "min_length": 0, "max_length": 100}
    alone = {name: getattr(_built({**neutral, name: value}), name) for name, value in given.items()}
    return _built({**defaults.model_dump(), **_yielding(defaults, alone), **alone})


def _yielding(defaults: DecodingConfig, given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that make room for what was given."""
    value = {**defaults.model_dump(), **given}
    room: dict[str, Any] = {}
    if value["method"] == "greedy":
        room["num_captions"] = 1
    elif value["method"] == "beam" and value["num_captions"] > value["beam_size"]:
        room["beam_size"] = value["num_captions"]
        room["num_captions"] = value["beam_size"]
    if value["min_length"] > value["max_length"]:
        room["max_length"] = value["min_length"]
        room["min_length"] = value["max_length"]
    return room


def _built(values: Mapping[str, Any]) -> DecodingConfig:
    try:
        return DecodingConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"]:
            raise invalid(str(first["loc"][0]), first["input"], first["msg"]) from error
        reason = str(first["ctx"]["error"])  # of the check across fields, whose reasons begin with the field's name
        field = re.match(r"\w+", reason)
        raise Refusal("invalid_parameter", reason, field[0] if field else None) from error
