"""A search: the step that it goes by, its parameters, the hypotheses that it keeps, and those who watch it.

Rows of states and logits stand source by source: row b * K + k is hypothesis k of source b. The memory, read
by every step, stands once for all hypotheses of a source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor

from model.cells import State
from model.vocabulary import PAD


class Memory(Protocol):
    """Everything that a step reads of B sources."""

    def take(self, sources: Tensor) -> Self:
        """The memory of some of the sources, by their numbers."""


M = TypeVar("M", bound=Memory)


class Step(NamedTuple):
    """A network's answer to the last tokens."""

    output: Tensor  # logits (N, V) of the next tokens
    state: State
    attention: Tensor | None  # weights (N, P) over a source's positions, where there is attention


StepFunction = Callable[[Tensor, State, M], Step]
"""A network one token further, from the last tokens (N,), the state and the memory."""


@dataclass(frozen=True)
class Search:
    """Parameters of a search. A task's own configuration has their ranges, and says how it becomes these."""

    method: Literal["greedy", "beam", "sample"] = "beam"
    beam_size: int = 3
    num_sequences: int = 1  # for a source, best first: beams, diverse beam groups, or independent samples
    max_length: int = 20  # most tokens written; a sequence that has not ended by then is cut
    length_penalty: float = 0.0
    """Hypotheses rank by log-probability / length ** length_penalty: 0 turns it off, more favours longer ones."""
    temperature: float = 1.0  # divides the logits before sampling
    top_k: int = 0  # samples among the k most likely tokens; 0 turns it off
    top_p: float = 1.0  # samples among the fewest tokens whose probabilities reach p; 1 turns it off
    diversity: float = 0.0
    """Diverse beam search (Vijayakumar et al., 2016): penalty for a token that another group has at the same step."""
    seed: int | None = None  # makes sampling repeatable

    @property
    def num_groups(self) -> int:
        """Groups G of a diverse beam search, one a sequence, which share the beams; else 1."""
        return self.num_sequences if self.method == "beam" and self.diversity else 1

    @property
    def rows_per_source(self) -> int:
        """Hypotheses K that the search keeps for each source."""
        if self.method == "greedy":
            return 1
        return self.num_sequences if self.method == "sample" else self.beam_size // self.num_groups * self.num_groups


@dataclass(frozen=True)
class Hypotheses:
    """K hypotheses for each of B sources."""

    tokens: Tensor
    """(B, K, T), `<pad>` after the end token."""
    logprobs: Tensor
    """(B, K, T), the model's own, 0 after the end token; -inf marks an empty place, where nothing else was allowed."""
    attention: Tensor | None
    """(B, K, T, P), if it was asked for and the network has it."""

    def score(self, length_penalty: float = 0.0) -> Tensor:
        """(B, K), log-probability / length ** length_penalty."""
        lengths = (self.tokens != PAD).sum(2).clamp(min=1)
        return self.logprobs.sum(2) / lengths**length_penalty

    def take(self, order: Tensor) -> "Hypotheses":
        """The hypotheses (B, K') that `order` names, in that order."""
        places = order[:, :, None].expand(-1, -1, self.tokens.shape[2])  # (B, K', T)
        seen = self.attention
        if seen is not None:
            seen = seen.gather(1, places[..., None].expand(-1, -1, -1, seen.shape[3]))
        return Hypotheses(self.tokens.gather(1, places), self.logprobs.gather(1, places), seen)

    def cpu(self) -> "Hypotheses":
        """A copy in main memory."""
        seen = None if self.attention is None else self.attention.cpu()
        return Hypotheses(self.tokens.cpu(), self.logprobs.cpu(), seen)

    def extend(self, tokens: Tensor, logprobs: Tensor, attention: Tensor | None) -> "Hypotheses":
        """The hypotheses with one more token each (B, K), its log-probability, and its attention weights (B, K, P)."""
        seen = None if attention is None else attention[:, :, None]  # (B, K, 1, P)
        if seen is not None and self.attention is not None:
            seen = torch.cat([self.attention, seen], 2)
        tokens, logprobs = tokens[:, :, None], logprobs[:, :, None]  # (B, K, 1)
        return Hypotheses(torch.cat([self.tokens, tokens], 2), torch.cat([self.logprobs, logprobs], 2), seen)


class Observer(Protocol):
    """A spectator of a search."""

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        """Called after each step.

        Args:
            found: the K hypotheses of each source so far.
            parents: (B, K), the place that each one's beginning had among the hypotheses of the step before.
            hopeful: (B, K), whether it can still become its source's best; True for all draws.
        """

    def end(self, found: Hypotheses, places: Tensor) -> None:
        """Called with the result, best first, and the places (B, K') that it had among the last step's hypotheses."""
