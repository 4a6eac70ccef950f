"""The hypotheses that a search keeps, and the interface of those who watch it."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.vocabulary import PAD


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
        seen = None
        if self.attention is not None:
            seen = self.attention.gather(1, places[..., None].expand(-1, -1, -1, self.attention.shape[3]))
        return Hypotheses(self.tokens.gather(1, places), self.logprobs.gather(1, places), seen)

    def cpu(self) -> "Hypotheses":
        """A copy in main memory."""
        return Hypotheses(
            self.tokens.cpu(), self.logprobs.cpu(), None if self.attention is None else self.attention.cpu()
        )

    def extend(self, tokens: Tensor, logprobs: Tensor, attention: Tensor | None) -> "Hypotheses":
        """The hypotheses with one more token each (B, K), its log-probability, and its attention weights (B, K, P)."""
        seen = None if attention is None else attention[:, :, None]  # (B, K, 1, P)
        if seen is not None and self.attention is not None:
            seen = torch.cat([self.attention, seen], 2)
        return Hypotheses(
            torch.cat([self.tokens, tokens[:, :, None]], 2), torch.cat([self.logprobs, logprobs[:, :, None]], 2), seen
        )


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
