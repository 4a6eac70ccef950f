"""A text to its sentences, and back with everything that stood between them."""

import re
from collections.abc import Callable
from typing import NamedTuple

# A sentence ends with a mark, and what closes with it, before white space; or at a line break. Runs of marks and of
# white space are looked at from their first character alone: otherwise time grows by the square of their length.
_END = re.compile(r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u201c\u2019\u00bb)\]]*+(?=\s)|(?<!\s)(?=[^\S\n]*+\n)")
# After these, a point is no end: titles, and what German and English shorten. Single letters are initials.
_SHORT = re.compile(
    r"(?:^|[\s(\"'\u201e\u201c])(?:Mr|Mrs|Ms|Dr|Prof|St|Hr|Fr|Nr|No|vs|etc|usw|bzw|ca|e\.g|i\.e|\w|z\.\s?B|d\.\s?h|u\.\s?a|\d+)\.$"
)
_CLAUSE = re.compile(r"[,;:\u2013\u2014]\s+")
_GAP = re.compile(r"\s+")


class Sentence(NamedTuple):
    """A sentence, and the white space before it."""

    before: str
    text: str


def split_sentences(text: str, fits: Callable[[str], bool]) -> tuple[list[Sentence], str]:
    """The sentences of a text, and the white space after the last of them; put together, they are the text.

    One that does not fit is cut into parts that do: after a comma or the like, else between words, else between
    characters.

    Args:
        text: what is to be split.
        fits: whether a part may stay whole. One character always may.
    """
    found: list[Sentence] = []
    before, start = "", 0
    for end in (*_ends(text), len(text)):
        part = text[start:end]
        bare = part.strip()
        if not bare:
            before += part
            start = end
            continue
        lead = len(part) - len(part.lstrip())
        for place, piece in enumerate(_fitting(bare, fits)):
            stripped = piece.lstrip()
            gap = piece[: len(piece) - len(stripped)]
            found.append(Sentence(before + part[:lead] if place == 0 else gap, stripped))
        before, start = part[lead + len(bare) :], end
    return found, before


def _ends(text: str) -> list[int]:
    """The places where sentences end, in order."""
    found = []
    for match in _END.finditer(text):
        line_break = match.end() == match.start()
        if match.end() and (
            line_break or not (match[0] == "." and _SHORT.search(text, max(0, match.end() - 12), match.end()))
        ):
            found.append(match.end())
    return found


def _fitting(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    """A sentence in parts that fit, each with the white space before it."""
    if len(sentence) <= 1 or fits(sentence):
        return [sentence]
    middle = len(sentence) // 2
    cut = middle
    for gap in (_CLAUSE, _GAP):
        # Inside the string: an end would leave one part as long as it was.
        places = [match.end() - len(re.search(r"\s*$", match[0])[0]) for match in gap.finditer(sentence)]  # type: ignore[index]
        inner = [place for place in places if 0 < place < len(sentence)]
        if inner:
            cut = min(inner, key=lambda place: abs(place - middle))
            break
    return [*_fitting(sentence[:cut], fits), *_fitting_after(sentence[cut:], fits)]


def _fitting_after(part: str, fits: Callable[[str], bool]) -> list[str]:
    """A part that begins with white space, which stays with the first of its own parts."""
    bare = part.lstrip()
    first, *others = _fitting(bare, fits)
    return [part[: len(part) - len(bare)] + first, *others]
