"""Observers of a search: tokens as soon as they are certain, and the tree of hypotheses that it kept."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from model.decoding.hypotheses import Hypotheses, Observer
from model.vocabulary import EOS, SPECIALS, Vocabulary

T = TypeVar("T")


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


class WordObserver(Generic[T]):
    """Reports the words of a source's sequences as they become certain: each once, and none that is taken back.

    Each draw is a sequence of its own, reported word by word. In a beam search, the best sequence is reported as far as
    all hypotheses that can still become it agree; the rest of it, and the other sequences, follow at the end.

    Args:
        words: the words of a hypothesis so far, given the hypotheses, the source and the place among its hypotheses.
        source: its place in the batch.
        draws: whether the search is sampling.
        tell: called with the number of the sequence, the place of its next word, and that word.
    """

    def __init__(
        self,
        words: Callable[[Hypotheses, int, int], Sequence[T]],
        source: int,
        *,
        draws: bool,
        tell: Callable[[int, int, T], None],
    ) -> None:
        self._words = words
        self._source = source
        self._draws = draws
        self._tell = tell
        self._told: Counter[int] = Counter()

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        tokens = found.tokens[self._source]  # (K, T)
        if self._draws:
            for place in range(len(tokens)):
                self._tell_words(place, found, place)
            return
        candidates = hopeful[self._source].nonzero().flatten().tolist()
        if candidates:
            tokens = tokens[candidates]  # (C, T)
            agreed = (tokens == tokens[0]).all(0).int().cumprod(0).sum()
            self._tell_words(0, found, candidates[0], int(agreed))

    def end(self, found: Hypotheses, places: Tensor) -> None:
        if not self._draws:
            for sequence in range(places.shape[1]):
                self._tell_words(sequence, found, sequence)

    def _tell_words(self, sequence: int, found: Hypotheses, place: int, until: int | None = None) -> None:
        """Reports the new words of a hypothesis, up to a time, as words of a sequence."""
        if not math.isfinite(found.logprobs[self._source, place].sum()):
            return
        for word in self._words(found, self._source, place)[self._told[sequence] : until]:
            self._tell(sequence, self._told[sequence], word)
            self._told[sequence] += 1


@dataclass(frozen=True)
class Node:
    """A hypothesis that a search kept for a step."""

    parent: int | None
    """Place of its beginning among the nodes of the step before; None at the first step."""
    text: str | None
    """The word that it added; None if it ended, then or before."""
    logprob: float
    """Sum over all its words."""
    finished: bool
    kept: bool
    """Whether another step went on from it; at the last step, whether it became one of the sequences."""


@dataclass(frozen=True)
class BeamTree:
    """All hypotheses of a search, by step."""

    steps: list[list[Node]]
    sequences: list[int]
    """Places of the sequences, best first, among the nodes of the last step."""


class TreeObserver:
    """Records the hypotheses of a source.

    Args:
        vocabulary: the words of the tokens' numbers.
        source: its place in the batch.
    """

    def __init__(self, vocabulary: Vocabulary, source: int) -> None:
        self._vocabulary = vocabulary
        self._source = source
        self._steps: list[tuple[list[int], list[int], list[float], list[bool]]] = []
        self._sequences: list[int] = []

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        tokens = found.tokens[self._source]  # (K, T)
        totals = found.logprobs[self._source].sum(1)
        finished = (tokens == EOS).any(1)
        self._steps.append((parents[self._source].tolist(), tokens[:, -1].tolist(), totals.tolist(), finished.tolist()))

    def end(self, found: Hypotheses, places: Tensor) -> None:
        self._sequences = places[self._source].tolist()

    @property
    def tree(self) -> BeamTree:
        """The recorded hypotheses, without a beam's empty places."""
        possible = [[math.isfinite(total) for total in totals] for _, _, totals, _ in self._steps]
        places = [[sum(step[:place]) for place in range(len(step))] for step in possible]
        going_on = [
            {parent for parent, ok in zip(parents, step, strict=True) if ok}
            for (parents, *_), step in zip(self._steps[1:], possible[1:], strict=True)
        ]
        steps = []
        for time, (step, kept) in enumerate(zip(self._steps, [*going_on, set(self._sequences)], strict=True)):
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
        return BeamTree(steps, [places[-1][place] for place in self._sequences if possible[-1][place]])
