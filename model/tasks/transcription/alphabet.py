"""The letters that texts are written in."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pydantic_core import from_json

from model.files import read_bytes
from model.vocabulary import SPECIALS, Vocabulary

END = "\n"
"""Character that stands around a text where a language model reads it."""


class Alphabet:
    """Letters, each with its place, counted from 1, as its symbol; symbol 0 is the blank.

    Raises:
        ValueError: there is no letter, one stands twice, or one is more than a character or no printable one.
    """

    def __init__(self, letters: str | Iterable[str]) -> None:
        self.letters = tuple(letters)
        if not self.letters:
            raise ValueError("an alphabet has at least one letter")
        for letter in self.letters:
            if len(letter) != 1 or not letter.isprintable():
                raise ValueError(f"{letter!r} is no letter: a single printable character is needed")
        self._symbols = {letter: number for number, letter in enumerate(self.letters, 1)}
        if len(self._symbols) != len(self.letters):
            twice = next(letter for letter in self.letters if self.letters.count(letter) > 1)
            raise ValueError(f"{twice!r} stands twice")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The alphabet in a JSON file, a list of letters; see `model.task.AssetKind`."""
        letters = from_json(read_bytes(path))
        if not isinstance(letters, list) or not all(isinstance(letter, str) for letter in letters):
            raise ValueError("an alphabet is a list of letters")
        return cls(letters)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.letters, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        """Number of letters, without the blank."""
        return len(self.letters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alphabet) and self.letters == other.letters

    def __hash__(self) -> int:
        return hash(self.letters)

    def encode(self, text: str) -> list[int]:
        """Symbols of a text; a character that the alphabet lacks is a ValueError."""
        try:
            return [self._symbols[letter] for letter in text]
        except KeyError as error:
            raise ValueError(f"{text!r}: {error.args[0]!r} is none of {''.join(self.letters)!r}") from None

    def decode(self, symbols: Iterable[int]) -> str:
        """The text of symbols other than the blank."""
        return "".join(self.letters[symbol - 1] for symbol in symbols)

    def vocabulary(self) -> Vocabulary:
        """The tokens of a language model over the letters: after the specials `END`, in the place of the blank."""
        return Vocabulary((*SPECIALS, END, *self.letters))
