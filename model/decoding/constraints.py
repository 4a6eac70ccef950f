"""Constraints on the next token: a list of logit processors, applied in turn.

A search gives each the log-probabilities that the one before left. They mask without renormalising, so a token's
log-probability is always the model's own.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.vocabulary import BOS, EOS, PAD, SPECIALS, UNK

NEVER = float("-inf")

History = npt.NDArray[np.int64]
"""(N, T), the tokens of each row so far."""


class Constraint(Protocol):
    """A rule about the next token."""

    def __call__(self, logprobs: Tensor, history: History) -> Tensor:
        """Log-probabilities (N, V) with -inf for what is ruled out; may be the given tensor, changed in place."""


class Specials:
    """Never writes `<pad>`, `<bos>` or `<unk>`."""

    def __init__(self) -> None:
        self._numbers = torch.tensor([PAD, BOS, UNK])

    def __call__(self, logprobs: Tensor, history: History) -> Tensor:
        return logprobs.index_fill_(1, self._numbers.to(logprobs.device), NEVER)


class MinLength:
    """Does not end a sequence before it has `length` tokens."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __call__(self, logprobs: Tensor, history: History) -> Tensor:
        if history.shape[1] < self._length:
            logprobs[:, EOS] = NEVER
        return logprobs


class NoRepeat:
    """Never writes an n-gram twice in a sequence."""

    def __init__(self, ngram: int) -> None:
        self._ngram = ngram

    def __call__(self, logprobs: Tensor, history: History) -> Tensor:
        last = self._ngram - 1
        starts = history.shape[1] - last
        if starts > 0:
            again = history[:, last:] >= len(SPECIALS)  # (N, starts): does an n-gram there begin as the row now ends?
            for place in range(last):
                again &= history[:, place : place + starts] == history[:, starts + place, None]
            rows, found = again.nonzero()
            if len(rows):
                logprobs[torch.from_numpy(rows), torch.from_numpy(history[rows, found + last])] = NEVER
        return logprobs


class Prefix:
    """Begins every sequence with the same tokens. Other constraints hold only after them."""

    def __init__(self, tokens: Sequence[int], after: Sequence[Constraint]) -> None:
        self._tokens, self._after = tokens, after

    def __call__(self, logprobs: Tensor, history: History) -> Tensor:
        length = history.shape[1]
        if length >= len(self._tokens):
            return constrain(logprobs, history, self._after)
        forced = torch.full_like(logprobs, NEVER)
        forced[:, self._tokens[length]] = logprobs[:, self._tokens[length]]
        return forced


def constrain(logprobs: Tensor, history: History, constraints: Sequence[Constraint]) -> Tensor:
    """Applies constraints in turn to log-probabilities (N, V), which they may change in place."""
    for constraint in constraints:
        logprobs = constraint(logprobs, history)
    return logprobs


def allowed_logprobs(logits: Tensor, history: History, constraints: Sequence[Constraint]) -> Tensor:
    """Logits (N, V) after `history` (N, T) to log-probabilities, -inf for what the constraints rule out."""
    return constrain(logits.float().log_softmax(1), history, constraints)
