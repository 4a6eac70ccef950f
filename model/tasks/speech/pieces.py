"""A text cut into sentences, and long ones at commas or between words, so that its sound can begin early."""

from collections.abc import Sequence

from model.tasks.speech.reading import Part, Word

LONGEST = 24
"""Words of the longest piece."""
_LETTERS = 200
"""Letters of the longest piece, for texts of few and long words."""


def pieces(parts: Sequence[Part]) -> list[list[Part]]:
    """The pieces of a text, each with at least a word and at most one pause at its end that ends a sentence."""
    found: list[list[Part]] = []
    for sentence in _sentences(parts):
        found += _cut(sentence)
    return found


def _sentences(parts: Sequence[Part]) -> list[list[Part]]:
    found: list[list[Part]] = [[]]
    for part in parts:
        found[-1].append(part)
        if isinstance(part, str) and part != ",":
            found.append([])
    return [sentence for sentence in found if any(isinstance(part, Word) for part in sentence)]


def _cut(sentence: list[Part]) -> list[list[Part]]:
    """A sentence in two where it is too long, at the comma that is nearest to the middle, or between words there."""
    words = [place for place, part in enumerate(sentence) if isinstance(part, Word)]
    letters = sum(len(part.text) for part in sentence if isinstance(part, Word))
    if len(words) < 2 or (len(words) <= LONGEST and letters <= _LETTERS):
        return [sentence]
    middle = words[len(words) // 2]
    commas = [place + 1 for place, part in enumerate(sentence) if part == "," and words[0] < place < words[-1]]
    best = min(commas, key=lambda place: abs(place - middle), default=middle)
    if not len(words) / 5 < sum(place < best for place in words) < len(words) * 4 / 5:
        best = middle
    return _cut(sentence[:best]) + _cut(sentence[best:])
