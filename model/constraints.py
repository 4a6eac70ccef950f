"""What may not be said next."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.config import DecodingConfig
from model.neutral import Neutral
from model.vocabulary import BOS, EOS, PAD, UNK

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

    def logprobs(self, logits: Tensor, history: Tensor) -> Tensor:
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
            grams = history.unfold(1, self.ngram, 1)  # (N, T - n + 1, n)
            last = history[:, None, length - self.ngram + 1 :]  # (N, 1, n - 1)
            said = grams[:, :, -1]  # (N, T - n + 1)
            again = (grams[:, :, :-1] == last).all(2) & (said != EOS)
            logprobs.scatter_(1, said.where(again, PAD), NEVER)  # PAD is not allowed as it is
        if length < self.min_length:
            logprobs[:, EOS] = NEVER
        return logprobs
