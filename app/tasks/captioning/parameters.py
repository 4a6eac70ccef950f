"""The parameters of captions, and how they go together with a model's defaults."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ValidationError

from app.errors import Refusal
from app.http.body import overrides
from app.http.requests import UploadParameters
from model.tasks.captioning.config import DecodingConfig

DESCRIPTIONS = {
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
}
"""Descriptions of `DecodingConfig`'s fields for callers."""


@overrides(DecodingConfig, descriptions=DESCRIPTIONS)
class DecodingParameters(UploadParameters):
    """The parameters that choose and search."""

    may_be_empty: ClassVar = ("prefix",)

    model: str | None = None
    """Name of the model, as in /v1/models."""


class CaptionParameters(DecodingParameters):
    """The parameters of `/v1/captions` and its siblings."""

    attention: bool | None = None
    """Also return, for each word, where in the picture the network looked."""
    tree: bool | None = None
    """Also return the hypotheses that beam search kept at each step."""


def decoding_over(defaults: DecodingConfig, given: Mapping[str, Any]) -> DecodingConfig:
    """The model's defaults with what the caller gave; where the two don't go together, the default gives way.

    Args:
        defaults: the model's own.
        given: fields of `DecodingConfig` in their ranges.

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
