"""Captions in the words that people get: a sentence or alternative text, and nothing that is too unsure."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from model.config import Config
from model.tasks.captioning.captioner import Caption
from model.tasks.captioning.tagger import Tag

MOST_CHARACTERS = 125
"""Most characters of alternative text: what editors ask for, and screen readers read in one go."""
_OPENING = re.compile(
    r"^(?:(?:an?|the|this|that) )?(?:(?:close[- ]?up|blurry|colou?r|old|small|large) )*"
    r"(?:close[- ]?ups?|pictures?|photos?|photographs?|images?|snapshots?) of (?=\S)",
    re.IGNORECASE,
)
"""The beginning of a sentence that says only that there is a picture, which a screen reader has said already."""

Format = Literal["caption", "alt"]


class Wording(Config, use_attribute_docstrings=True):
    """The form in which captions are told, and how sure they have to be."""

    format: Format = "caption"
    """`caption`: the sentence as the network writes it; `alt`: alternative text, which begins with a capital and not
    with "a picture of", and has at most 125 characters."""
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Least confidence of a caption that is told. Below it, `text` has only the tags that are at least as sure, or
    nothing in alternative text and without tags; `original` has the caption, and `needs_review` is true. 0 is off."""


def worded(caption: Caption, tags: Sequence[Tag], wording: Wording) -> Caption:
    """A caption as it is told, in a picture with these tags.

    Tags in place of a sentence are a bare list, "dog, ball": it is as sure as it can be, and nobody takes it for a
    description that someone wrote. Alternative text has no such list: a picture whose `alt` is empty is found by the
    tools that look for missing ones, and a list would hide it.
    """
    sure = caption.confidence >= wording.min_confidence
    if wording.format == "alt":
        text = alt_text(caption.text) if sure else ""
    elif sure:
        text = caption.text
    else:
        text = ", ".join(tag.name for tag in tags if tag.confidence >= wording.min_confidence)
    original = caption.text if text != caption.text else None
    return replace(caption, text=text, original=original, needs_review=not (sure and text))


def alt_text(sentence: str) -> str:
    """A sentence as alternative text; a sentence without a full stop gets none."""
    text = " ".join(sentence.split())
    while opening := _OPENING.match(text):
        text = text[opening.end() :]
    text = text[:1].upper() + text[1:]
    if len(text) > MOST_CHARACTERS:
        whole, _, _ = text[: MOST_CHARACTERS + 1].rpartition(" ")
        text = (whole or text[:MOST_CHARACTERS]).rstrip(" ,;:-")
    return text
