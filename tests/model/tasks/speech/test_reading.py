"""Texts to words and pauses."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tasks.speech.numbers import cardinal, ordinal
from model.tasks.speech.reading import PAUSES, UnsayableError, Word, read

KNOWN = {"hello", "dial", "nasa"}


def said(text: str) -> str:
    """The words and pauses of a text, letters in capitals."""
    return " ".join(p if isinstance(p, str) else p.text.upper() if p.spelled else p.text for p in read(text, KNOWN))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Call me at 10:30 a.m. on Nov 30, 2026.",
            "call me at ten thirty A M on november thirtieth twenty twenty six .",
        ),
        ("2026-11-30, 12/25/1999", "november thirtieth twenty twenty six , december twenty fifth nineteen ninety nine"),
        ("May 5th; Sept. 1 2007", "may fifth , september first two thousand seven"),
        ("9:05, 14:00 and 7 PM", "nine oh five , fourteen hundred and seven P M"),
        ("at 3:00", "at three o'clock"),
        ("$3.50 or €1,200 or £0.01", "three dollars and fifty cents or one thousand two hundred euros or one penny"),
        ("(412) 555-0199", "four one two five five five zero one nine nine"),
        ("555-1234", "five five five one two three four"),
        ("1st, 42nd, 112th", "first , forty second , one hundred twelfth"),
        ("3.14 -5 50%", "three point one four minus five fifty percent"),
        ("1,234,567", "one million two hundred thirty four thousand five hundred sixty seven"),
        ("1234567 0042", "one two three four five six seven zero zero four two"),
        ("Mr. Smith's PBX said HELLO to NASA", "mister smith's P B X said hello to nasa"),
        ("No. 5! Is that a no? No.", "number five ! is that a no ? no ."),
        ("press A or b, a lot", "press A or B , a lot"),
        ("A dog", "a dog"),
        ("The U.S. is. The U.S.A. Today", "the U S is . the U S A . today"),
        ("www.asterisk.org", "www dot asterisk dot org"),
        ("naïve Straße ½ “quoted” don\u2019t", "naive strasse one over two quoted don't"),
        ("one\n\ntwo -- three... four - five", "one . two , three . four , five"),
        ("a & b @ c # *", "a and B at C pound"),
        ("H2O", "H two O"),
        ("99:99 and 13/45/2020", "nine nine nine nine and one three four five two zero two zero"),
    ],
)
def test_texts_are_read_as_one_says_them(text: str, words: str) -> None:
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("日本 hi 😀", "'日', '本', '😀' can't be said; English letters"),
        ("\x00hi", r"'\\x00' can't be said"),
        ("...", "there is nothing to say"),
        ("  \n", "there is nothing to say"),
        ("αβγδεζηθικλμν", r"'α', 'β', .* and 3 more can't be said"),
    ],
)
def test_texts_that_cannot_be_said_are_refused(text: str, message: str) -> None:
    with pytest.raises(UnsayableError, match=message):
        read(text, KNOWN)


def test_numbers_have_no_gaps() -> None:
    words = [cardinal(number) for number in range(2000)]
    assert len(set(words)) == 2000
    assert words[1999] == "one thousand nine hundred ninety nine"
    assert len({ordinal(number) for number in range(1, 2000)}) == 1999


@given(st.text(st.characters(max_codepoint=0x250), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parts = read(text, KNOWN)
    except UnsayableError:
        return
    assert isinstance(parts[0], Word)
    for part, after in itertools.pairwise(parts):
        assert isinstance(part, Word) or isinstance(after, Word)
    for part in parts:
        assert part in PAUSES if isinstance(part, str) else part.text.strip("abcdefghijklmnopqrstuvwxyz'") == ""
