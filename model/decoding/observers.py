"""What can be seen of a search while it runs: words as soon as they are certain, and the hypotheses that it kept."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from model.decoding.hypotheses import Hypotheses, Observer
from model.tasks.captioning.captioner import Captioner, Token
from model.vocabulary import EOS, SPECIALS, Vocabulary


class Observers:
    """Several observers of one search."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        for observer in self._observers:
            observer.step(found, parents, hopeful)

    def end(self, found: Hypotheses, places: Tensor) -> None:
        for observer in self._observers:
            observer.end(found, places)


class WordObserver:
    """Tells the words of a picture's captions, each once, and none that would have to be taken back.

    Draws are captions of their own, told while they are drawn. Of a beam search, the best caption is told as far as all
    hypotheses that can still become it agree; what is left of it, and the other captions, follow at the end.

    Args:
        captioner: whose search it is.
        picture: its place in the batch.
        draws: whether the search is sampling.
        tell: called with the number of the caption, the place of its next word, and that word.
    """

    def __init__(
        self, captioner: Captioner, picture: int, *, draws: bool, tell: Callable[[int, int, Token], None]
    ) -> None:
        self._captioner = captioner
        self._picture = picture
        self._draws = draws
        self._tell = tell
        self._told: Counter[int] = Counter()

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        tokens = found.tokens[self._picture]  # (K, T)
        if self._draws:
            for place in range(len(tokens)):
                self._tell_words(place, found, place)
            return
        candidates = hopeful[self._picture].nonzero().flatten().tolist()
        if candidates:
            tokens = tokens[candidates]  # (C, T)
            agreed = (tokens == tokens[0]).all(0).int().cumprod(0).sum()
            self._tell_words(0, found, candidates[0], int(agreed))

    def end(self, found: Hypotheses, places: Tensor) -> None:
        if not self._draws:
            for caption in range(places.shape[1]):
                self._tell_words(caption, found, caption)

    def _tell_words(self, caption: int, found: Hypotheses, place: int, until: int | None = None) -> None:
        """What is new of a hypothesis, up to some time, as words of a caption."""
        if not math.isfinite(found.logprobs[self._picture, place].sum()):
            return
        for token in self._captioner.tokens(found, self._picture, place)[self._told[caption] : until]:
            self._tell(caption, self._told[caption], token)
            self._told[caption] += 1


@dataclass(frozen=True)
class Node:
    """A hypothesis that a search kept for a step."""

    parent: int | None
    """Its beginning, by the place among the nodes of the step before; None at the first step."""
    text: str | None
    """The word that it added; None where it ended, then or before."""
    logprob: float
    """Of all its words."""
    finished: bool
    kept: bool
    """Whether another step went on from it; of the last step, whether it became a caption."""


@dataclass(frozen=True)
class BeamTree:
    """All hypotheses of a search, by step."""

    steps: list[list[Node]]
    captions: list[int]
    """Of each caption, best first, the place among the nodes of the last step."""


class TreeObserver:
    """Records the hypotheses of a picture.

    Args:
        vocabulary: of the words.
        picture: its place in the batch.
    """

    def __init__(self, vocabulary: Vocabulary, picture: int) -> None:
        self._vocabulary = vocabulary
        self._picture = picture
        self._steps: list[tuple[list[int], list[int], list[float], list[bool]]] = []
        self._captions: list[int] = []

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        tokens = found.tokens[self._picture]  # (K, T)
        totals = found.logprobs[self._picture].sum(1)
        finished = (tokens == EOS).any(1)
        self._steps.append(
            (parents[self._picture].tolist(), tokens[:, -1].tolist(), totals.tolist(), finished.tolist())
        )

    def end(self, found: Hypotheses, places: Tensor) -> None:
        self._captions = places[self._picture].tolist()

    @property
    def tree(self) -> BeamTree:
        """What was recorded, without the places of a beam that nothing possible was there to fill."""
        possible = [[math.isfinite(total) for total in totals] for _, _, totals, _ in self._steps]
        places = [[sum(step[:place]) for place in range(len(step))] for step in possible]
        going_on = [
            {parent for parent, ok in zip(parents, step, strict=True) if ok}
            for (parents, *_), step in zip(self._steps[1:], possible[1:], strict=True)
        ]
        steps = []
        for time, (step, kept) in enumerate(zip(self._steps, [*going_on, set(self._captions)], strict=True)):
            steps.append(
                [
                    Node(
                        places[time - 1][parent] if time else None,
                        self._vocabulary.words[token] if token >= len(SPECIALS) else None,
                        total,
                        finished,
                        place in kept,
                    )
                    for place, (parent, token, total, finished) in enumerate(zip(*step, strict=True))
                    if possible[time][place]
                ]
            )
        return BeamTree(steps, [places[-1][place] for place in self._captions if possible[-1][place]])
