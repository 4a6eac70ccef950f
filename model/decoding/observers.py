"""Observers of a search: tokens as soon as they are certain, and the tree of hypotheses that it kept."""

import math
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from torch import Tensor

from model.decoding.search import Hypotheses
from model.vocabulary import EOS, SPECIALS, Vocabulary

T = TypeVar("T")


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
        self._words, self._source, self._draws, self._tell = words, source, draws, tell
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

    parent: int | None  # place of its beginning among the nodes of the step before; None at the first step
    text: str | None  # the word that it added; None if it ended, then or before
    logprob: float  # sum over all its words
    finished: bool
    kept: bool = False
    """Whether another step went on from it; at the last step, whether it became one of the sequences."""


@dataclass(frozen=True)
class BeamTree:
    """All hypotheses of a search, by step, without a beam's empty places."""

    steps: list[list[Node]]
    sequences: list[int]  # their places, best first, among the nodes of the last step


class TreeObserver:
    """Records the hypotheses of a source in `tree`."""

    def __init__(self, vocabulary: Vocabulary, source: int) -> None:
        self.tree = BeamTree([], [])
        self._vocabulary, self._source = vocabulary, source
        self._places: dict[int, int] = {}  # place of a possible hypothesis in the search -> among the last nodes

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        tokens = found.tokens[self._source]  # (K, T)
        totals = found.logprobs[self._source].sum(1)
        columns = (parents[self._source], tokens[:, -1], totals, (tokens == EOS).any(1))  # (K,) each
        nodes: list[Node] = []
        before, self._places = self._places, {}
        for place, (parent, token, total, finished) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            if math.isfinite(total):
                self._places[place] = len(nodes)
                text = self._vocabulary.words[token] if token >= len(SPECIALS) else None
                nodes.append(Node(before.get(parent), text, total, finished))
        self._keep({node.parent for node in nodes})
        self.tree.steps.append(nodes)

    def end(self, found: Hypotheses, places: Tensor) -> None:
        sequences = self.tree.sequences
        sequences += [self._places[place] for place in places[self._source].tolist() if place in self._places]
        self._keep(set(sequences))

    def _keep(self, places: Set[int | None]) -> None:
        """Marks nodes of the last step."""
        if self.tree.steps:
            nodes = self.tree.steps[-1]
            nodes[:] = [replace(node, kept=place in places) for place, node in enumerate(nodes)]
