"""Naming: the words that say a tag, and which tag of a picture its caption is to say."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from model.tasks.captioning.neutral import INSTEAD, PEOPLE
from model.tasks.captioning.tagger import Tags
from model.vocabulary import SPECIALS, Vocabulary, tokenize

PLURALS = (
    ("", "s"),
    ("s", "ses"),
    ("x", "xes"),
    ("ch", "ches"),
    ("sh", "shes"),
    ("o", "oes"),
    ("y", "ies"),
    ("f", "ves"),
    ("fe", "ves"),
    ("man", "men"),
    ("person", "people"),
    ("child", "children"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("mouse", "mice"),
)
"""Endings of nouns, and what becomes of them."""

PERSON = "person"
"""The tag that tags for people are kinds of."""
PRONOUNS = ("their", "them", "themselves")
"""Neutral words that may stand for animals, too."""


def forms(noun: str) -> Iterator[str]:
    """A noun and all that may be its plural. Some are no words, which no vocabulary has."""
    yield noun
    for ending, plural in PLURALS:
        if noun.endswith(ending):
            yield noun.removesuffix(ending) + plural


class Naming:
    """The words of a vocabulary that say each of a tagger's nouns.

    A noun of several words is said by its last: a fire hydrant is a hydrant.
    """

    def __init__(self, tags: Tags, vocabulary: Vocabulary) -> None:
        names = [tokenize(name) for name in tags.names]
        self.words = tuple(_numbers(forms(name[-1]), vocabulary) if name else () for name in names)
        """For each noun, the numbers of its forms; none if the vocabulary has none of them."""
        person = tags.names.index(PERSON) if PERSON in tags.names else None
        people = [number for number, broader in enumerate(tags.broader) if person in (number, *broader)]
        self._people = torch.tensor(people, dtype=torch.long)
        replaced = (f"{word} {words}" for word, words in INSTEAD.items() if word not in PRONOUNS)
        others = _numbers(" ".join([PEOPLE, *replaced]).split(), vocabulary)
        self.words_for_people = frozenset(others).union(*(self.words[person] for person in people))
        """Numbers of all words for people that the vocabulary has."""
        self._lineages = [{number, *broader} for number, broader in enumerate(tags.broader)]
        self._kinds: list[set[int]] = [set() for _ in names]
        for number, broader in enumerate(tags.broader):
            for other in broader:
                self._kinds[other].add(number)

    def people(self, probabilities: Tensor) -> Tensor:
        """(B,), how likely the likeliest tag for people is, from the probabilities of tags (B, V)."""
        if not len(self._people):
            return torch.ones_like(probabilities[:, 0])
        return probabilities[:, self._people.to(probabilities.device)].amax(1)

    def to_mention(self, probabilities: Tensor, confidence: float) -> list[tuple[int, ...]]:
        """The words of which each picture's caption is to have one, from the probabilities of its tags (B, V).

        They are those of the likeliest tag, if its probability reaches the confidence, and of its relatives that are at
        least half as likely: kinds of it, what it is a kind of, and other kinds of that. A dog may be said by "beagle",
        and where a boy is nearly as likely as a man, either will do. Tags without words don't count. The most general,
        which are a kind of nothing, say too little: "animal" is no relative of "dog", and counts only where none of its
        kinds is as likely as that.
        """
        probabilities = probabilities.cpu()
        found = []
        for row, possible in zip(probabilities, probabilities >= confidence / 2, strict=True):
            places = possible.nonzero().flatten()
            pairs = zip(places.tolist(), row[places].tolist(), strict=True)
            found.append(self._likeliest({tag: value for tag, value in pairs if self.words[tag]}, confidence))
        return found

    def _likeliest(self, probabilities: Mapping[int, float], confidence: float) -> tuple[int, ...]:
        for tag in sorted(probabilities, key=lambda tag: -probabilities[tag]):
            if probabilities[tag] < confidence:
                break
            likely = [other for other, value in probabilities.items() if value >= probabilities[tag] / 2]
            kinds = [other for other in likely if other in self._kinds[tag] and probabilities[other] >= confidence]
            if self._is_general(tag) and kinds:
                continue
            relatives = [other for other in likely if self._lineages[other] & self._lineages[tag]]
            said = [self.words[other] for other in relatives if other == tag or not self._is_general(other)]
            return tuple(sorted({word for words in said for word in words}))
        return ()

    def _is_general(self, tag: int) -> bool:
        """Tell whether a tag is a kind of nothing."""
        return len(self._lineages[tag]) == 1


def _numbers(words: Iterable[str], vocabulary: Vocabulary) -> tuple[int, ...]:
    """Numbers of the words that the vocabulary has."""
    return tuple(number for number in vocabulary.encode(words) if number >= len(SPECIALS))
