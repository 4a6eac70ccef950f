"""Small random networks for searches, and what they say."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from model.cells import State
from model.decoding.constraints import Constraint, MinLength, NoRepeat, Prefix, Specials
from model.decoding.decode import decode
from model.decoding.mentions import Mentions
from model.decoding.search import Hypotheses, Observer, Search, Step
from model.vocabulary import BOS, EOS, PAD, UNK

WORDS = 7
LENGTH = 5
SEEDS = st.integers(0, 10_000)


class Vectors(NamedTuple):
    """A vector for each source."""

    vectors: Tensor

    def take(self, sources: Tensor) -> "Vectors":
        return Vectors(self.vectors.index_select(0, sources))


class RandomDecoder:
    """A recurrent network with random weights; each source starts it in a state of its own."""

    def __init__(self, seed: int, sources: int, *, vocabulary: int = WORDS, sharpness: float = 2.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.recur = torch.randn(6, 6, generator=generator)
        self.embed = torch.randn(vocabulary, 6, generator=generator)
        self.speak = torch.randn(6, vocabulary, generator=generator) * sharpness
        self.sources = torch.randn(sources, 6, generator=generator)
        self.rows: list[int] = []
        """Of each step."""

    def step(self, tokens: Tensor, state: State, memory: Vectors) -> Step:
        self.rows.append(len(tokens))
        seen = memory.vectors.repeat_interleave(len(tokens) // len(memory.vectors), 0)
        # One row at a time, so that batching does not change a bit of it.
        hidden = torch.stack(
            [
                torch.tanh(row @ self.recur + self.embed[token] + source)
                for row, token, source in zip(state[0], tokens, seen, strict=True)
            ]
        )
        return Step(torch.stack([row @ self.speak for row in hidden]), (hidden,), hidden.softmax(1))

    def decode(
        self,
        sources: Tensor | None = None,
        attention: bool = False,
        prefix: tuple[int, ...] = (),
        observers: Sequence[Observer] = (),
        min_length: int = 0,
        block_ngram: int = 0,
        mentions: Sequence[Collection[int]] | None = None,
        rules: Sequence[Constraint] = (),
        **options: Any,
    ) -> Hypotheses:
        sources = self.sources if sources is None else sources
        search = Search(**{"max_length": LENGTH, **options})
        constraints: list[Constraint] = [*rules, Specials(), MinLength(min_length)]
        if block_ngram:
            constraints.append(NoRepeat(block_ngram))
        if prefix:
            constraints = [Prefix(prefix, constraints)]
        start = sources.repeat_interleave(search.rows_per_source, 0)
        memory = Vectors(sources)
        say = None if mentions is None else Mentions(mentions)
        return decode(
            self.step, (start,), memory, search, constraints, mentions=say, attention=attention, observers=observers
        )

    def logprob(self, source: int, tokens: list[int]) -> float:
        """Of a whole sentence, walked through a word at a time."""
        memory = Vectors(self.sources[source : source + 1])
        state: State = (memory.vectors,)
        total, last = 0.0, BOS
        for token in tokens:
            logits, state, _ = self.step(torch.tensor([last]), state, memory)
            total += float(logits.log_softmax(1)[0, token])
            last = token
        return total

    def greedy(self, source: int) -> list[int]:
        memory = Vectors(self.sources[source : source + 1])
        state: State = (memory.vectors,)
        tokens: list[int] = []
        while len(tokens) < LENGTH and EOS not in tokens:
            logits, state, _ = self.step(torch.tensor([tokens[-1] if tokens else BOS]), state, memory)
            logits[:, [PAD, BOS, UNK]] = -torch.inf
            tokens.append(int(logits.argmax()))
        return tokens


def sentence(found: Hypotheses, source: int, place: int = 0) -> list[int]:
    return [token for token in found.tokens[source, place].tolist() if token != PAD]
