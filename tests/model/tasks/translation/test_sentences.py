"""Sentences of a text: put together they are the text, and points that end none do not split."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tasks.translation.sentences import split_sentences

TEXTS = st.text(st.sampled_from('ab A1.!?,;: \n\t"\u201c\u201d)\u3000\u00e4'), max_size=60)


def parts(text: str, most: int = 1000) -> list[str]:
    return [part for _, part in split_sentences(text, lambda part: len(part) <= most)[0]]


@given(TEXTS, st.integers(1, 20))
def test_sentences_put_together_are_the_text(text: str, most: int) -> None:
    sentences, after = split_sentences(text, lambda part: len(part) <= most)
    assert "".join(before + part for before, part in sentences) + after == text
    for before, part in sentences:
        assert not before.strip()
        assert part == part.strip() != ""
        assert len(part) <= most


@pytest.mark.parametrize("text", ["." * 40_000, "." * 20_000 + '"' * 20_000, "a" + " " * 40_000 + "b", "\n" * 40_000])
def test_long_runs_take_no_longer_than_other_text(text: str) -> None:
    began = time.process_time()
    split_sentences(text, lambda part: True)
    assert time.process_time() - began < 1  # by the square of the length it took ten seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog runs. It barks! Does it?", ["A dog runs.", "It barks!", "Does it?"]),
        ("Mr. Smith meets Dr. Who at 3. Street.", ["Mr. Smith meets Dr. Who at 3. Street."]),
        ("Am 3. Mai z. B. kam J. S. Bach. Er blieb.", ["Am 3. Mai z. B. kam J. S. Bach.", "Er blieb."]),
        ('He says "Go!" She goes.', ['He says "Go!"', "She goes."]),
        ("one line\nanother line", ["one line", "another line"]),
        ("It costs 3.50 dollars.", ["It costs 3.50 dollars."]),
        ("Well... no.", ["Well...", "no."]),
        ("no end", ["no end"]),
        (" \n ", []),
    ],
)
def test_sentences_end_where_people_end_them(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


def test_long_sentence_is_cut_after_a_comma_if_it_can_be() -> None:
    assert parts("one two three, four five six", 16) == ["one two three,", "four five six"]
    assert parts("one two three four", 10) == ["one two", "three four"]
    assert parts("abcdefgh", 3) == ["ab", "cd", "ef", "gh"]
