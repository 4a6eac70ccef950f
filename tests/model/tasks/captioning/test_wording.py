"""Captions as they are told: alternative text, and what takes the place of a caption that is too unsure."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.tasks.captioning.captioner import Caption
from model.tasks.captioning.tagger import Tag
from model.tasks.captioning.wording import MOST_CHARACTERS, Wording, alt_text, worded

OPENINGS = (
    "a picture of",
    "a close-up of",
    "the photo of",
    "a close up picture of",
    "An image of",
    "a blurry photo of",
)
WORDS = st.lists(st.sampled_from(["a", "dog", "of", "picture", "photo", "close-up", "the", "über", "ok's", "x" * 60]))
TAGS = [Tag("dog", 0.9), Tag("ball", 0.7), Tag("grass", 0.4)]


def said(text: str, confidence: float) -> Caption:
    """A caption by its text and confidence."""
    return Caption(text, -1.0, 0.5, confidence, "stop", ())


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("a dog runs", "A dog runs"),
        ("a picture of a dog", "A dog"),
        ("close-up of a padlock", "A padlock"),
        ("a close up photo of the padlock", "The padlock"),
        ("a close-up of a picture of a dog", "A dog"),
        ("black and white photo of a man", "Black and white photo of a man"),  # this says more than that it is one
        ("a man taking a picture of a dog", "A man taking a picture of a dog"),
        ("a pictures of", "A pictures of"),
        ("a close-up of", "A close-up of"),
        ("", ""),
    ],
)
def test_alternative_text_begins_with_what_is_there(sentence: str, expected: str) -> None:
    assert alt_text(sentence) == expected


@given(st.one_of(WORDS.map(" ".join), st.text()))
@example("a picture of " * 30)
@example("y" * 300)
@example("ß is sharp")
def test_alternative_text_is_short_and_capital_and_stays_as_it_is(sentence: str) -> None:
    text = alt_text(sentence)
    assert len(text) <= MOST_CHARACTERS
    assert text == text.strip()
    assert text[:1].upper() == text[:1]
    assert not re.match(r"(?:an? |the )?(?:picture|photo|image|close-up) of \S", text, re.IGNORECASE)
    assert text.endswith(".") <= ("." in sentence)
    assert alt_text(text) == text


@given(WORDS, st.sampled_from(OPENINGS))
def test_opening_alone_is_lost_and_no_word_is_cut(words: list[str], opening: str) -> None:
    plain = alt_text("dog " + " ".join(words))
    assert alt_text(f"{opening} dog {' '.join(words)}") == plain
    whole = ["dog", *words]
    assert plain.lower().split() == [word.lower() for word in whole[: len(plain.split())]]
    if len(plain.split()) < len(whole):
        assert len(plain) + 1 + len(whole[len(plain.split())]) > MOST_CHARACTERS


@pytest.mark.parametrize(
    ("confidence", "wording", "text", "original", "needs_review"),
    [
        (0.1, {}, "a photo of a dog", None, False),
        (0.5, {"min_confidence": 0.5}, "a photo of a dog", None, False),
        (0.4, {"min_confidence": 0.5}, "dog, ball", "a photo of a dog", True),
        (0.4, {"min_confidence": 0.95}, "", "a photo of a dog", True),
        (0.1, {"format": "alt"}, "A dog", "a photo of a dog", False),
        (0.5, {"format": "alt", "min_confidence": 0.5}, "A dog", "a photo of a dog", False),
        (0.4, {"format": "alt", "min_confidence": 0.5}, "", "a photo of a dog", True),
    ],
)
def test_nothing_is_told_that_is_less_sure(
    confidence: float, wording: dict[str, object], text: str, original: str | None, needs_review: bool
) -> None:
    told = worded(said("a photo of a dog", confidence), TAGS, Wording.model_validate(wording))
    assert (told.text, told.original, told.needs_review) == (text, original, needs_review)
    assert told.confidence == confidence


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["caption", "alt"]))
def test_caption_is_never_lost(confidence: float, least: float, form: str) -> None:
    wording = Wording.model_validate({"format": form, "min_confidence": least})
    told = worded(said("a dog", confidence), TAGS, wording)
    assert (told.text if told.original is None else told.original) == "a dog"
    assert told.needs_review == (confidence < least)


def test_caption_without_words_is_for_a_person_to_write() -> None:
    assert worded(said("", 0.9), [], Wording(format="alt")).needs_review


@pytest.mark.parametrize("wrong", [{"format": "title"}, {"min_confidence": 1.1}, {"min_confidence": float("nan")}])
def test_wordings_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Wording.model_validate(wrong)
