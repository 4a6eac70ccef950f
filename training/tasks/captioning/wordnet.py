"""The table of everyday nouns, from WordNet and captions: writes `nouns.csv` and `imagenet.csv` beside this file.

    python -m training.tasks.captioning.wordnet --captions FILE ... --words FILE

A noun is taken in the sense that comes first in WordNet, or the one that `wordnet.toml` names, if that is a thing to be
seen and captions have the word often enough. Each of ImageNet's classes is then whatever of these nouns lies above it:
a beagle is a beagle and a dog. Needs Debian's wordnet-base, and timm for ImageNet's list of classes;
`training.tasks.captioning.nouns`, which reads the tables, needs neither.
"""

import csv
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from model.vocabulary import tokenize
from training.tasks.captioning.nouns import IMAGENET, NOUNS, singulars

FOLDER = Path("/usr/share/wordnet")
PARTS = {"1": "noun", "2": "verb", "3": "adjective", "4": "adverb", "5": "adjective"}
"""A part of speech for each digit of WordNet's sense keys."""
ANIMALS = 3
"""Farthest that an animal's words may stand above a class, and mean it."""
LONGEST = 3
"""Words of a noun."""

CHOICES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SENSES: Mapping[str, str] = CHOICES["senses"]
MORE: Mapping[str, str] = CHOICES["more"]
ALSO: Mapping[str, str] = CHOICES["also"]
VAGUE = frozenset([*CHOICES["vague"].split(), *CHOICES["vague_names"]])
SEEN, ADJECTIVES, PAIRS, BROAD, PEOPLE = (
    frozenset(CHOICES[key].split()) for key in ("seen", "adjectives", "pairs", "broad", "people")
)
NAMED = ("person", "location", "social group")
"""Kinds that have names of their own."""


class WordNet:
    """The nouns of WordNet 3.0 (Miller, "WordNet: A Lexical Database for English", 1995).

    Args:
        folder: has `data.noun`, `index.noun`, `noun.exc` and `cntlist.rev`.
        classes: synset of each of ImageNet's classes: their words mean what the pictures there show.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.words: dict[str, tuple[str, ...]] = {}
        """A synset's words, by its number."""
        self.hypernyms: dict[str, tuple[str, ...]] = {}
        for line in _lines(folder / "data.noun"):
            fields = line.split("|")[0].split()
            number = int(fields[3], 16)
            self.words[fields[0]] = tuple(_spaced(word) for word in fields[4 : 4 + 2 * number : 2])
            pointers = fields[5 + 2 * number :]
            quads = zip(*(pointers[place::4] for place in range(4)), strict=False)
            self.hypernyms[fields[0]] = tuple(to for kind, to, part, _ in quads if kind in ("@", "@i") and part == "n")
        self.senses: dict[str, tuple[str, ...]] = {}
        """A word's synsets, most frequent sense first."""
        for line in _lines(folder / "index.noun"):
            fields = line.split()
            self.senses[_spaced(fields[0])] = tuple(fields[-int(fields[2]) :])
        self.plurals: dict[str, list[str]] = defaultdict(list)
        """A word's irregular plurals."""
        self.singulars: dict[str, list[str]] = defaultdict(list)
        """The same, the other way round."""
        for line in _lines(folder / "noun.exc"):
            plural, *words = map(_spaced, line.split())
            self.singulars[plural] += words
            for word in words:
                self.plurals[word].append(plural)
        self.uses: dict[str, Counter[str]] = defaultdict(Counter)
        """Times that a word is each part of speech, in the texts that WordNet's authors counted."""
        for line in _lines(folder / "cntlist.rev"):
            key, _, count = line.split()
            word, _, rest = key.partition("%")
            self.uses[_spaced(word)][PARTS[rest[0]]] += int(count)
        self.pictured: dict[str, str] = {}
        """The synset of each word of a class, and of the animals above one."""
        for distance in range(ANIMALS + 1):
            for synset in classes:
                for up in (up for up, far in self.above(synset).items() if far == distance):
                    if distance == 0 or self.is_a(up, "animal"):
                        self.pictured |= {word: up for word in self.words[up] if word not in self.pictured}

    def above(self, synset: str) -> dict[str, int]:
        """A synset and all that it is a kind of, nearest first, each with its distance."""
        found = {synset: 0}
        for here in (queue := [synset]):
            for other in self.hypernyms[here]:
                if other not in found:
                    found[other] = found[here] + 1
                    queue.append(other)
        return found

    def sense(self, word: str) -> str | None:
        """The synset that captions mean by a word, if it is a thing to be seen."""
        first, _, rest = word.partition(" ")
        if word not in self.senses or word in VAGUE or (rest and first in ADJECTIVES):
            return None
        senses = self.senses[word]
        if word in self.pictured and word not in SENSES:
            return self.pictured[word]
        if word in SENSES:
            chosen = [sense for sense in senses if self.is_a(sense, SENSES[word])]
            if not chosen:
                raise ValueError(f"wordnet.toml: no sense of {word!r} is a kind of {SENSES[word]!r}")
            return chosen[0]
        if word in SEEN:
            return senses[0]
        uses = self.uses[word]
        if len(word) < 3 or 2 * uses["noun"] < uses.total() or not self.is_a(senses[0], "physical entity"):
            return None
        proper = word not in self.words[senses[0]]  # it has a capital letter there
        return None if proper and any(self.is_a(senses[0], kind) for kind in NAMED) else senses[0]

    def is_a(self, synset: str, kind: str) -> bool:
        """Tells whether a synset, or one above it, has a word."""
        return any(kind in self.words[up] for up in self.above(synset))

    def noun(self, form: str) -> str | None:
        """The noun that a form is: itself, or what it is a plural of."""
        if form in PAIRS:
            return form
        return next((word for word in (*self.singulars[form], *singulars(form), form) if word in self.senses), None)


def counted(captions: Iterable[str]) -> Counter[str]:
    """Counts the runs of up to `LONGEST` words of all captions."""
    counts: Counter[str] = Counter()
    for caption in captions:
        words = tokenize(caption)
        for length in range(1, LONGEST + 1):
            counts.update(" ".join(words[place : place + length]) for place in range(len(words) - length + 1))
    return counts


class Table:
    """Nouns with their synsets, chosen by how often captions have them.

    Args:
        wordnet: the senses.
        counts: of the captions' runs of words.
        known: words that are widely known, although captions may have none of them.
        classes: synset of each of ImageNet's classes.
        often: times that captions have a noun.
        rarely: the same, for the nearest noun above a class.
    """

    def __init__(
        self,
        wordnet: WordNet,
        counts: Counter[str],
        known: frozenset[str],
        classes: Sequence[str],
        *,
        often: int = 20,
        rarely: int = 3,
    ) -> None:
        self.wordnet = wordnet
        self.times = self._times(counts)
        """Times of each noun, its plurals included."""
        self.synsets: dict[str, str] = dict(self._senses(often))
        """A noun's synset."""
        for synset in classes:
            self._add(synset, 3, lambda word: self.times[word] >= rarely)
            self._add(synset, 1, lambda word: word in known)
        self.names: dict[str, str] = {}
        """A synset's most frequent noun, in the order of frequency."""
        for word in sorted(self.synsets, key=lambda word: (-self.times[word], word)):
            self.names.setdefault(self.synsets[word], word)
        for synset in classes:
            if not set(self.kinds(synset)) - BROAD:
                words = [word.lower() for word in wordnet.words[synset]]
                free = [word for word in words if word not in self.synsets]
                self.names[synset] = max(free or words, key=lambda word: self.times[word])

    def kinds(self, synset: str) -> list[str]:
        """The nouns that a synset is, nearest first."""
        return [self.names[up] for up in self.wordnet.above(synset) if up in self.names]

    def pictured(self, label: str) -> list[str]:
        """The nouns that a class's pictures show, nearest first."""
        kinds = self.kinds(label[1:])
        return [*([ALSO[label]] if label in ALSO and ALSO[label] not in kinds else []), *kinds]

    def others(self, synset: str) -> list[str]:
        """Other nouns of a synset, and the irregular plurals of all."""
        words = [word for word, of in self.synsets.items() if of == synset]
        name = self.names[synset]
        plurals = [plural for word in {name: None} | dict.fromkeys(words) for plural in self.wordnet.plurals[word]]
        taken = self.synsets.keys() | self.names.values()
        more = [MORE[name]] if name in MORE and MORE[name] not in taken else []
        return (
            [word for word in words if word != name]
            + more
            + [plural for plural in dict.fromkeys(plurals) if plural not in taken and plural not in VAGUE]
        )

    def _times(self, counts: Counter[str]) -> Counter[str]:
        times: Counter[str] = Counter()
        for form, count in counts.items():
            if noun := self.wordnet.noun(form):
                times[noun] += count
        return times

    def _senses(self, often: int) -> Iterator[tuple[str, str]]:
        for word, times in self.times.items():
            if times >= often and (sense := self.wordnet.sense(word)):
                yield word, sense

    def _add(self, synset: str, farthest: int, accepts: Callable[[str], bool]) -> None:
        """Adds the nearest accepted nouns above a class, unless one that is there already is as near."""
        there = set(self.synsets.values())
        for up, distance in self.wordnet.above(synset).items():
            if up in there or distance > farthest:
                return
            words = [word.lower() for word in self.wordnet.words[up]]
            found = [word for word in words if accepts(word) and self.wordnet.sense(word) == up]
            if found:
                self.synsets |= dict.fromkeys(found, up)
                return


def main(
    captions: Annotated[list[Path], typer.Option(help="A caption a line; may be repeated.")],
    words: Annotated[Path, typer.Option(help="Words that are widely known, a line each, commonest first.")],
    commonest: Annotated[int, typer.Option(help="Words of it to take.")] = 45_000,
    wordnet: Annotated[Path, typer.Option(help="Folder of WordNet's files.")] = FOLDER,
) -> None:
    """Write nouns.csv and imagenet.csv."""
    from timm.data import imagenet_info

    labels: list[str] = imagenet_info.ImageNetInfo().label_names()  # type: ignore[no-untyped-call]
    classes = [label[1:] for label in labels]
    known = frozenset(words.read_text(encoding="utf-8").split("\n")[:commonest])
    counts = counted(line for path in captions for line in path.read_text(encoding="utf-8").splitlines())
    nouns = WordNet(wordnet, classes)
    table = Table(nouns, counts, known, classes)
    with NOUNS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("noun", "others", "broader"))
        for synset, name in table.names.items():
            broader = [*table.kinds(synset)[1:], *(["person"] if name in PEOPLE else [])]
            writer.writerow((name, ";".join(table.others(synset)), ";".join(broader)))
    with IMAGENET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("synset", "class", "nouns"))
        for label, synset in zip(labels, classes, strict=True):
            writer.writerow((label, nouns.words[synset][0], ";".join(table.pictured(label))))


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file of WordNet but for its licence, which is indented."""
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith("  "))


def _spaced(word: str) -> str:
    return word.replace("_", " ")


if __name__ == "__main__":
    typer.run(main)
