"""What may not be said next."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.decoding.config import DecodingConfig
from model.tasks.captioning.neutral import Neutral
from model.vocabulary import BOS, EOS, PAD, SPECIALS, UNK

NEVER = float("-inf")


class Constraints:
    """Specials, an early end, anything but the prefix, a repeated n-gram, or a gender are not said.

    They mask log-probabilities without renormalising them, so a token's log-probability is always the model's own; that
    of a neutral word is of all it is said for.
    """

    def __init__(self, decoding: DecodingConfig, prefix: Sequence[int], neutral: Neutral | None) -> None:
        self.prefix = prefix
        self.neutral = neutral
        self.specials = torch.tensor([PAD, BOS, UNK])
        self.min_length = decoding.min_length
        self.ngram = decoding.block_ngram

    def logprobs(self, logits: Tensor, history: npt.NDArray[np.int64]) -> Tensor:
        """Logits (N, V) after the tokens `history` (N, T) to log-probabilities, -inf for what is not allowed."""
        logprobs = logits.float().log_softmax(1)
        length = history.shape[1]
        if length < len(self.prefix):
            forced = torch.full_like(logprobs, NEVER)
            forced[:, self.prefix[length]] = logprobs[:, self.prefix[length]]
            return forced
        if self.neutral:
            logprobs = self.neutral.logprobs(logprobs, history)
        logprobs.index_fill_(1, self.specials.to(logits.device), NEVER)
        if self.ngram and length >= self.ngram:
            rows, words = _repeating(history, self.ngram)
            if len(rows):
                logprobs[torch.from_numpy(rows), torch.from_numpy(words)] = NEVER
        if length < self.min_length:
            logprobs[:, EOS] = NEVER
        return logprobs


def _repeating(history: npt.NDArray[np.int64], ngram: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of `history` (N, T), and words that would end an n-gram there which the row has already."""
    starts = history.shape[1] - ngram + 1
    again = history[:, ngram - 1 :] >= len(SPECIALS)  # (N, T - n + 1)
    for place in range(ngram - 1):
        again &= history[:, place : place + starts] == history[:, starts + place, None]
    rows, found = again.nonzero()
    return rows, history[rows, found + ngram - 1]
