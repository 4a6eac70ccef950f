"""Traits of a text that a cell might follow: how long the line is by now, whether this is inside a quotation, and more.

A trait has a value at the place after each character, by the text up to there and, where a span is told from what only
looks like one by its end, by the rest of it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_COMMENT_OR_STRING = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*")|'(?:\\.|[^'\\\n])'""", re.DOTALL
)
"""Comments, strings and characters of C, each of which may hold what looks like another."""
_MATHS = re.compile(r"(?P<display>\$\$.+?\$\$)|(?<!\\)(?P<inline>\$[^$]+?\$)", re.DOTALL)
_SPEAKER = re.compile(r"(?<=\n)\n[A-Z][^\n:]{0,40}:(?=\n)")
"""An empty line, and the name in a line of its own."""
_PREPROCESSOR = re.compile(r"^#(?:\\\n|[^\n])*\n", re.MULTILINE)
_PROOF = re.compile(r"\\begin\{proof\}.*?\\end\{proof\}", re.DOTALL)


@dataclass(frozen=True)
class Trait:
    """A number at each place of a text."""

    name: str
    label: str
    values: Callable[[str], list[float]]
    """A text to the values after each of its characters."""


def inside(text: str, spans: Iterable[tuple[int, int]]) -> list[float]:
    """1 after each character of a span but its last, which closes it; 0 elsewhere."""
    values = [0.0] * len(text)
    for start, end in spans:
        values[start : end - 1] = [1.0] * (end - 1 - start)
    return values


def matches(pattern: re.Pattern[str], group: str | int = 0) -> Callable[[str], list[float]]:
    """Inside what a pattern, or a group of it, matches."""

    def values(text: str) -> list[float]:
        return inside(text, (found.span(group) for found in pattern.finditer(text) if found[group] is not None))

    return values


def depth(opening: str, closing: str, reset: str) -> Callable[[str], list[float]]:
    """Number of brackets that are open; none after `reset`, since a text may be cut, or have brackets left out."""

    def values(text: str) -> list[float]:
        found, open_ = [], 0
        for place, character in enumerate(text):
            if character == opening:
                open_ += 1
            elif character == closing:
                open_ = max(0, open_ - 1)
            if text.endswith(reset, 0, place + 1):
                open_ = 0
            found.append(float(open_))
        return found

    return values


def since(pattern: str) -> Callable[[str], list[float]]:
    """Number of characters since the last that the pattern matches."""
    ends = re.compile(pattern)

    def values(text: str) -> list[float]:
        found, count = [], 0.0
        for character in text:
            count = 0.0 if ends.match(character) else count + 1
            found.append(count)
        return found

    return values


def lines(text: str) -> list[float]:
    """Number of lines since the last empty one."""
    found, count, before = [], 0.0, ""
    for character in text:
        if character == "\n":
            count = 0.0 if before == "\n" else count + 1
        before = character
        found.append(count)
    return found


def indentation(text: str) -> list[float]:
    """Number of tabs that the line begins with, so far."""
    found, count, leading = [], 0.0, True
    for character in text:
        if character == "\n":
            count, leading = 0.0, True
        elif character == "\t" and leading:
            count += 1
        else:
            leading = False
        found.append(count)
    return found


TRAITS = (
    Trait("column", "characters of the line so far", since(r"\n")),
    Trait("word", "letters of the word so far", since(r"[^A-Za-z]")),
    Trait("lines", "lines since the last empty one", lines),
    Trait("indentation", "tabs that the line begins with", indentation),
    Trait("speaker", "inside the speaker's name", matches(_SPEAKER)),
    Trait("string", "inside a string in quotes", matches(_COMMENT_OR_STRING, "string")),
    Trait("comment", "inside a comment", matches(_COMMENT_OR_STRING, "comment")),
    Trait("preprocessor", "in a line for the preprocessor", matches(_PREPROCESSOR)),
    Trait("braces", "depth of braces", depth("{", "}", "\n}")),
    Trait("parentheses", "depth of parentheses", depth("(", ")", "\n\n")),
    Trait("inline-maths", "inside $maths$", matches(_MATHS, "inline")),
    Trait("display-maths", "inside $$maths$$", matches(_MATHS, "display")),
    Trait("proof", "inside a proof", matches(_PROOF)),
)
"""Traits of plays, LaTeX and C. Those that a text does not have are left out where they are looked for."""
