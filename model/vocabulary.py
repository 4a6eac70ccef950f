"""Text to tokens, and tokens to numbers."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic_core import from_json

from model.files import read_bytes

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
    return list(text) if unit == "character" else _find(_PIECE, text)


def tokenize(text: str) -> list[str]:
    """Lower-case words without punctuation, close to the PTB tokenizer that captions are scored with.

    Words are told apart by what stands between them, in any script; a typographic apostrophe is an apostrophe.
    """
    return _find(_WORD, unicodedata.normalize("NFC", text.lower().replace("\u2019", "'")))


def _find(expression: re.Pattern[str], text: str) -> list[str]:
    """All matches, where a mark belongs to the letter before it; Python's `\\w` has no marks."""
    if text.isascii():
        return expression.findall(text)
    letters = "".join("x" if _is_mark(character) else character for character in text)
    return [text[slice(*match.span())] for match in expression.finditer(letters)]


def _is_mark(character: str) -> bool:
    """Test for marks, and for the joiners that stand inside words of Persian and of Indian languages."""
    return character in "\u200c\u200d" or unicodedata.category(character) in ("Mn", "Mc", "Me")


def detokenize(tokens: Iterable[str]) -> str:
    """Words to a sentence: joined by spaces, clitics tied back to the word before them."""
    return _CLITIC.sub("", " ".join(tokens))


class Vocabulary:
    """A fixed, ordered set of words, each with its place as its number: first the four specials.

    Raises:
        ValueError: the specials are not first, or a word stands twice.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        if self.words[: len(SPECIALS)] != SPECIALS:
            begins = ", ".join(self.words[: len(SPECIALS)])
            raise ValueError(f"a vocabulary begins with {', '.join(SPECIALS)}; this one with {begins}")
        self._ids = {word: number for number, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise ValueError(f"{next(word for word, count in Counter(self.words).items() if count > 1)!r} stands twice")

    @classmethod
    def build(cls, sentences: Iterable[Sequence[str]], min_count: int = 1) -> "Vocabulary":
        """The words seen at least `min_count` times, most frequent first, ties in alphabetical order."""
        counts = Counter(word for sentence in sentences for word in sentence)
        kept = [word for word, count in counts.items() if count >= min_count]
        return cls((*SPECIALS, *sorted(kept, key=lambda word: (-counts[word], word))))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The vocabulary in a JSON file, a list of its words; see `model.task.AssetKind`."""
        words = from_json(read_bytes(path))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("a vocabulary is a list of words")
        return cls(words)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.words, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

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
