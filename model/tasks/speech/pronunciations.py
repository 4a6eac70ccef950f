"""A dictionary of words as phones, the symbols that texts are written in for the network, and how a text is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from model.files import read_bytes
from model.tasks.speech.reading import PAUSES, Part

PHONES = (
    *("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"),
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG"),
    *("P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
"""ARPAbet, without stress."""
_ALL = frozenset(PHONES)
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz'")
BREAK = " "
"""Stands between words, and before the first."""
SYMBOLS = ("", BREAK, *PAUSES, *PHONES, *LETTERS)
"""Symbols by number; 0 is padding."""
NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS)}
_NAMES = """
a EY; b B IY; c S IY; d D IY; e IY; f EH F; g JH IY; h EY CH; i AY; j JH EY; k K EY; l EH L; m EH M; n EH N; o OW;
p P IY; q K Y UW; r AA R; s EH S; t T IY; u Y UW; v V IY; w D AH B AH L Y UW; x EH K S; y W AY; z Z IY"""
NAMES = {letter: tuple(phones) for letter, *phones in (name.split() for name in _NAMES.split(";"))}
"""Letter -> its name, in phones."""
_VOICED = {"S": "AH Z", "Z": "AH Z", "SH": "AH Z", "CH": "AH Z", "JH": "AH Z", "ZH": "AH Z"}
_VOICELESS = {"P", "T", "K", "F", "TH"}


class Spot(NamedTuple):
    """A word, and where it stands in the symbols."""

    text: str
    begin: int
    end: int
    known: bool
    """Whether the dictionary has it, or it is a letter that is spelled."""


@dataclass(frozen=True)
class Script:
    """A text as the network reads it."""

    symbols: tuple[int, ...]
    words: tuple[Spot, ...]


class Pronunciations:
    """A dictionary: words in lower case, each with its phones, between spaces.

    Raises:
        ValueError: a word has no phones, or one that is not in `PHONES`.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = dict(words)
        if not _ALL.issuperset(" ".join(words.values()).split()) or not all(words.values()):
            word = next(word for word, phones in words.items() if not phones or not _ALL.issuperset(phones.split()))
            raise ValueError(f"{word!r}: {words[word]!r} are not phones; they are some of {' '.join(PHONES)}")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The dictionary in a file: a line for each word, then its phones; see `model.task.AssetKind`."""
        pairs = (line.partition(" ") for line in read_bytes(path).decode("utf-8").splitlines())
        return cls({word: phones for word, _, phones in pairs})

    def write(self, path: Path) -> None:
        lines = (f"{word} {phones}\n" for word, phones in self._words.items())
        path.write_text("".join(lines), encoding="utf-8")

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, word: object) -> bool:
        return word in self._words

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pronunciations) and self._words == other._words

    def __hash__(self) -> int:
        return hash(frozenset(self._words))

    def phones(self, word: str) -> tuple[str, ...] | None:
        """The phones of a word; None if neither the dictionary has it, nor the noun of its `'s`."""
        if found := self._words.get(word):
            return tuple(found.split())
        noun = self._words.get(word.removesuffix("'s")) if word.endswith("'s") else None
        if noun is None:
            return None
        *_, last = phones = noun.split()
        ending = _VOICED.get(last) or ("S" if last in _VOICELESS else "Z")
        return (*phones, *ending.split())

    def write_down(self, parts: Sequence[Part], spelled: bool = False) -> Script:
        """The symbols of words and pauses: phones, and letters of words that the dictionary has not got.

        With `spelled`, all words are written in letters, as training does to learn how letters sound.
        """
        symbols, words = [NUMBERS[BREAK]], []
        for part in parts:
            if isinstance(part, str):
                symbols[-1] = NUMBERS[part]  # in the place of the break after the word
                continue
            phones = NAMES[part.text] if part.spelled else self.phones(part.text)
            written = part.text if phones is None or (spelled and not part.spelled) else phones
            begin = len(symbols)
            symbols += [NUMBERS[symbol] for symbol in written]
            words.append(Spot(part.text, begin, len(symbols), phones is not None))
            symbols.append(NUMBERS[BREAK])
        return Script(tuple(symbols), tuple(words))
