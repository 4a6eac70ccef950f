"""Tags of sentences without pictures, as a tagger would give them of the picture that the sentence describes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.tasks.captioning.tagger import Tags
from training.tasks.captioning.nouns import Nouns

Floats = npt.NDArray[np.float32]

MOST = 25
"""Tags of a picture that count."""
SURE = (0.3, 1.0)
"""Range of the probability that a classifier gives the thing that it names."""
NAMED = 0.75
"""Share of such things that it names; the others it overlooks."""
FEWEST = 5
"""Pictures that have a noun, for the tagger's view of them to be drawn from."""
UNSURE = 0.3
"""Most probability of a noun that it hardly knows."""


class ImaginedTags:
    """Draws a tagger's probabilities for sentences: their own nouns, and its mistakes about a picture like theirs.

    A noun that the tagger has learnt is as likely as it was in one of the pictures that have it. One that it knows from
    its classifier alone is seen in three of four pictures, and overlooked in the fourth.
    """

    def __init__(
        self,
        nouns: Nouns,
        sentences: Sequence[Sequence[str]],
        probabilities: Floats,
        targets: Floats,
        tags: Tags | None,
    ) -> None:
        """Takes probabilities and targets (N, V) of pictures that the tagger has not learnt from."""
        assert tags is not None
        self._size = len(nouns)
        self._said = [np.array(sorted(set(nouns.mentioned(words))), np.int64) for words in sentences]
        order = np.argsort(-probabilities, axis=1)[:, :MOST]
        self._mistakes = []
        for row, (places, there) in enumerate(zip(order, targets, strict=True)):
            kept = places[there[places] == 0]
            self._mistakes.append((kept, probabilities[row, kept]))
        self._pictures = [np.flatnonzero(column) for column in targets.T]  # pictures that have a noun
        self._values = [probabilities[rows, noun] for noun, rows in enumerate(self._pictures)]
        classes = np.zeros(self._size, bool)
        classes[[number for row in tags.classes for number in row]] = True
        self._sure = classes

    def __call__(self, numbers: Sequence[int], generator: np.random.Generator) -> Floats:
        """(N, V) of sentences, by their numbers."""
        found = np.zeros((len(numbers), self._size), np.float32)
        for row, number in zip(found, numbers, strict=True):
            said = self._said[number]
            known = [noun for noun in said if len(self._pictures[noun])]
            picture = int(generator.integers(len(self._mistakes)))
            if known:
                picture = int(generator.choice(self._pictures[generator.choice(known)]))
            places, values = self._mistakes[picture]
            row[places] = values
            for noun in said:
                row[noun] = self._draw(noun, generator)
        return found

    def _draw(self, noun: int, generator: np.random.Generator) -> float:
        values = self._values[noun]
        if len(values) >= FEWEST and not (self._sure[noun] and generator.random() < 0.5):  # half by the classifier
            return float(generator.choice(values))
        if self._sure[noun]:
            return float(generator.uniform(*SURE)) if generator.random() < NAMED else 0.0
        return float(generator.uniform(0, UNSURE))
