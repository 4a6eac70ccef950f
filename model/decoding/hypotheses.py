"""What decoding is made of: the network's step, the hypotheses that a search keeps, and who watches it.

Rows of states and logits stand picture by picture: row b * K + k is hypothesis k of picture b. What is known of a
picture, the memory, stands once for all its hypotheses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.cells import State
from model.decoding.config import DecodingConfig
from model.tasks.captioning.decoder import Step
from model.vocabulary import EOS, PAD

PictureMemory = tuple[Tensor, ...]
"""What a step reads of the pictures, (B, ...) each."""
StepFunction = Callable[[Tensor, State, PictureMemory], Step]
"""From the last tokens (N,) to logits (N, V) for the next ones."""


@dataclass(frozen=True)
class Hypotheses:
    """K hypotheses for each of B pictures."""

    tokens: Tensor
    """(B, K, T), `<pad>` after the end token."""
    logprobs: Tensor
    """(B, K, T), the model's own, 0 after the end token. A hypothesis with -inf is none: nothing else was allowed."""
    attention: Tensor | None
    """(B, K, T, P), where it was asked for and the network has it."""

    @property
    def finished(self) -> Tensor:
        """(B, K), whether the end token was said."""
        return (self.tokens == EOS).any(2)

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
        """The same, in main memory."""
        return Hypotheses(
            self.tokens.cpu(), self.logprobs.cpu(), None if self.attention is None else self.attention.cpu()
        )

    def extend(self, tokens: Tensor, logprobs: Tensor, attention: Tensor | None) -> "Hypotheses":
        """One token (B, K) further, with what was looked at (B, K, P)."""
        seen = None if attention is None else attention[:, :, None]  # (B, K, 1, P)
        if seen is not None and self.attention is not None:
            seen = torch.cat([self.attention, seen], 2)
        return Hypotheses(
            torch.cat([self.tokens, tokens[:, :, None]], 2), torch.cat([self.logprobs, logprobs[:, :, None]], 2), seen
        )


class Observer(Protocol):
    """Watches a search."""

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        """A token further.

        Args:
            found: the K hypotheses of each picture so far.
            parents: (B, K), the place that each one's beginning had among the hypotheses of the step before.
            hopeful: (B, K), whether it can still turn out to be its picture's best; of draws, all can.
        """

    def end(self, found: Hypotheses, places: Tensor) -> None:
        """The captions, best first, and the places (B, K') that they had among the hypotheses of the last step."""


def rows_per_picture(decoding: DecodingConfig) -> int:
    """How many hypotheses K a search keeps for each picture."""
    if decoding.method == "greedy":
        return 1
    if decoding.method == "sample":
        return decoding.num_captions
    return decoding.beam_size // num_groups(decoding) * num_groups(decoding)


def num_groups(decoding: DecodingConfig) -> int:
    """Diverse beam search shares its beams among as many groups as captions are wanted."""
    return decoding.num_captions if decoding.method == "beam" and decoding.diversity else 1
