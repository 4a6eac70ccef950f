"""Everyday nouns for what can be seen in a picture, and where captions have them.

`nouns.csv` has a noun a line, most frequent first, its other words and irregular plurals, and the nouns that it is a
kind of; `imagenet.csv` has, for each of ImageNet's 1,000 classes, the nouns that it is, nearest first.
`training.tasks.captioning.wordnet` makes both.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NOUNS, IMAGENET = (Path(__file__).with_name(name) for name in ("nouns.csv", "imagenet.csv"))
ENDINGS = (
    ("men", "man"),
    ("ies", "y"),
    ("ves", "f"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("sses", "ss"),
    ("uses", "us"),
    ("xes", "x"),
    ("oes", "o"),
    ("s", ""),
)
"""Regular plurals, and what their endings stand for."""
NO_PLURALS = ("ss", "us", "is")
"""Endings of words that look like plurals and are none."""


@dataclass(frozen=True)
class Noun:
    """A word or a few for one kind of thing."""

    name: str
    others: tuple[str, ...]
    """Synonyms, and plurals that are not regular."""
    broader: tuple[str, ...]
    """Names of the nouns that this one is a kind of, nearest first."""


class Nouns:
    """A set of nouns, each with its place as its number."""

    def __init__(self, nouns: Sequence[Noun]) -> None:
        self.nouns = tuple(nouns)
        self.numbers = {noun.name: number for number, noun in enumerate(nouns)}
        self._forms = {form: number for number, noun in enumerate(nouns) for form in noun.others} | self.numbers
        self._longest = max((len(form.split()) for form in self._forms), default=0)
        self.broader = [tuple(self.numbers[name] for name in noun.broader) for noun in nouns]
        """Numbers of the nouns that each is a kind of."""

    @classmethod
    def read(cls, path: Path = NOUNS) -> "Nouns":
        """The nouns of a table."""
        return cls([Noun(row["noun"], _split(row["others"]), _split(row["broader"])) for row in _rows(path)])

    def __len__(self) -> int:
        return len(self.nouns)

    def number(self, form: str) -> int | None:
        """The noun that a form is of: a name, another word for it, or a plural."""
        for word in (form, *singulars(form)):
            if word in self._forms:
                return self._forms[word]
        return None

    def mentioned(self, words: Sequence[str]) -> list[int]:
        """The nouns among a caption's words, in their order: the longest at each place, so a hot dog is no dog."""
        found, place = [], 0
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                number = self.number(" ".join(words[place : place + length]))
                if number is not None:
                    found.append(number)
                    break
            place += max(length, 1)
        return found


def imagenet_nouns(nouns: Nouns, path: Path = IMAGENET) -> list[tuple[int, ...]]:
    """The nouns that each of ImageNet's classes is, nearest first, in the order of the classes."""
    return [tuple(nouns.numbers[name] for name in _split(row["nouns"])) for row in _rows(path)]


def singulars(word: str) -> Iterator[str]:
    """The words that a form may be a regular plural of."""
    for ending, singular in ENDINGS:
        if word.endswith(ending) and not word.endswith(NO_PLURALS) and len(word) - len(ending) + len(singular) > 2:
            yield word[: -len(ending)] + singular


def _split(cell: str) -> tuple[str, ...]:
    return tuple(cell.split(";")) if cell else ()


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
