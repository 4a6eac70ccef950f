"""Text to tokens, and tokens to numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

PAD, BOS, EOS, UNK = range(4)
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")

# A word is letters and digits, held together by hyphens, points or slashes inside; the English clitics stand alone, as
# the Penn Treebank has them ("man 's", "do n't"), which is how captions are scored.
_WORD = re.compile(r"n't\b|'(?:s|re|ve|ll|d|m)\b|[^\W_]+?(?=n't\b)|[^\W_]+(?:[-./][^\W_]+)*")
_CLITIC = re.compile(r" (?=n't\b|'(?:s|re|ve|ll|d|m)\b)")

# A word with the space before it, a run of punctuation likewise, a line break, or other white space.
_PIECE = re.compile(r" ?<unk>| ?\w+(?:[-'\u2019]\w+)*| ?[^\w\s]+|\n|[^\S\n]+?(?= ?\S)|[^\S\n]+")


def pieces(text: str, unit: Literal["character", "word"]) -> list[str]:
    """A text's characters, or its words with the spaces before them; joined, they are the text."""
    return list(text) if unit == "character" else _PIECE.findall(text)


def tokenize(text: str) -> list[str]:
    """Lower-case words without punctuation, close to the PTB tokenizer that captions are scored with."""
    return _WORD.findall(text.lower())


def detokenize(tokens: Iterable[str]) -> str:
    """Words to a sentence: joined by spaces, clitics tied back to the word before them."""
    return _CLITIC.sub("", " ".join(tokens))


class Vocabulary:
    """A fixed, ordered set of words. Numbers 0 to 3 are `<pad>`, `<bos>`, `<eos>` and `<unk>`."""

    def __init__(self, words: Sequence[str]) -> None:
        """
        Args:
            words: every word in the order of its number, the four specials first.

        Raises:
            ValueError: the specials are missing or a word stands twice.
        """
        self.words = tuple(words)
        if self.words[: len(SPECIALS)] != SPECIALS:
            raise ValueError(
                f"a vocabulary begins with {', '.join(SPECIALS)}; this one with {', '.join(self.words[:4])}"
            )
        self._ids = {word: number for number, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise ValueError(f"{next(word for word, count in Counter(self.words).items() if count > 1)!r} stands twice")

    @classmethod
    def build(cls, sentences: Iterable[Sequence[str]], min_count: int = 1) -> "Vocabulary":
        """The words seen at least `min_count` times, most frequent first, ties in alphabetical order."""
        counts = Counter(word for sentence in sentences for word in sentence)
        kept = sorted(
            (word for word, count in counts.items() if count >= min_count), key=lambda word: (-counts[word], word)
        )
        return cls((*SPECIALS, *kept))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Numbers of the words, `UNK` for those not known; adds no specials."""
        return [self._ids.get(token, UNK) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Words of the numbers, specials left out."""
        return [self.words[number] for number in ids if number >= len(SPECIALS)]
