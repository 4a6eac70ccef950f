"""Training pairs that differ from epoch to epoch: words cut elsewhere, and names that do not exist.

All chance comes from torch's generator, which the trainer seeds for each step.
"""

import re
import string

import torch

from model.subwords import Subwords
from model.vocabulary import SPECIALS

_WORD = re.compile(r"[^\W_]+")


class SubwordDropout:
    """Cuts pieces in two, at random, as byte-pair encoding would have left them without its last merge."""

    def __init__(self, subwords: Subwords, share: float) -> None:
        numbers = {piece: number for number, piece in enumerate(subwords.pieces)}
        self._share = share
        self._parts: list[tuple[int, int] | None] = []
        """For each piece, the two that it was made of; None where it is one character, a byte or a special."""
        for number, piece in enumerate(subwords.pieces):
            splits = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))] if number >= len(SPECIALS) else []
            pairs = [(numbers[a], numbers[b]) for a, b in splits if a in numbers and b in numbers]
            # Characters come last in SentencePiece's order, and count as the first of all.
            rank = {part: part if len(subwords.pieces[part]) > 1 else 0 for pair in pairs for part in pair}
            self._parts.append(min(pairs, key=lambda pair: max(rank[pair[0]], rank[pair[1]]), default=None))

    def __call__(self, sentence: list[int]) -> list[int]:
        """A sentence's pieces, some of them cut, and some of the parts too."""
        if not self._share:
            return sentence
        cut: list[int] = []
        waiting = sentence[::-1]
        chances = iter(torch.rand(3 * len(sentence) + 16).tolist())
        while waiting:
            number = waiting.pop()
            parts = self._parts[number]
            if parts is not None and next(chances, 1.0) < self._share:
                waiting += parts[::-1]
            else:
                cut.append(number)
        return cut


def common_names(source: str, target: str) -> list[str]:
    """Names and numbers that stand in a sentence and in its translation, once in each."""
    words = [_WORD.findall(sentence) for sentence in (source, target)]
    return [
        word
        for place, word in enumerate(words[0])
        if (word[0].isdigit() or (word[0].isupper() and place))
        and words[0].count(word) == 1
        and words[1].count(word) == 1
    ]


def with_invented(source: str, target: str, name: str) -> tuple[str, str]:
    """A pair with a name that does not exist, or another number, in the place of a name that both have."""
    if name[0].isdigit():
        length = int(torch.randint(1, 5, ()))
        invented = "".join(string.digits[number] for number in torch.randint(10, (length,)).tolist())
    else:
        length = int(torch.randint(3, 10, ()))
        places = torch.randint(1 << 16, (length,)).tolist()
        kinds = ("bcdfghjklmnprstvwz", "aeiouyäö")  # consonants and vowels in turn can be read
        first = int(torch.randint(2, ()))
        letters = [kinds[(first + at) % 2] for at in range(length)]
        invented = "".join(kind[place % len(kind)] for kind, place in zip(letters, places, strict=True)).capitalize()
    expression = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    return expression.sub(invented, source, count=1), expression.sub(invented, target, count=1)
