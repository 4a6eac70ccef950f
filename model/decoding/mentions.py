"""Mentions: for each source, tokens of which its sequence is to say one, and what a beam search needs to see to it.

Anderson et al., "Guided open vocabulary image captioning with constrained beam search" (2017): hypotheses are told
apart by the state of a machine that reads them, here *not said yet* and *said*, so that those that have paid for an
unlikely token do not compete with those that have not. The beam is shared out among the states as in Post and Vilar,
"Fast lexically constrained decoding with dynamic beam allocation for neural machine translation" (2018), section 3: a
search has no more rows, however many tokens there are.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.decoding.constraints import NEVER
from model.vocabulary import PAD, SPECIALS

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

_NONE = -1
"""Fills the rows of sources that have fewer tokens than others."""


class Mentions:
    """The tokens of which a sequence of each of B sources must say one, whichever it likes.

    Args:
        tokens: for each source, the numbers; a source without any may say what it likes.

    Raises:
        ValueError: a number is a special token's.
    """

    def __init__(self, tokens: Sequence[Collection[int]]) -> None:
        self._tokens: Integers = np.full((len(tokens), max(map(len, tokens), default=0)), _NONE)  # (B, W)
        for row, numbers in zip(self._tokens, tokens, strict=True):
            row[: len(numbers)] = list(numbers)
            if numbers and min(numbers) < len(SPECIALS):
                raise ValueError(f"token {min(numbers)} is special and can't be said; words begin at {len(SPECIALS)}")

    def __len__(self) -> int:
        """Number of sources B."""
        return len(self._tokens)

    @property
    def asked(self) -> Truths:
        """(B,), whether a source has anything to mention."""
        return (self._tokens != _NONE).any(1)  # type: ignore[no-any-return]

    def take(self, sources: Integers | Truths) -> "Mentions":
        """The mentions of some of the sources."""
        made = object.__new__(Mentions)
        made._tokens = self._tokens[sources]
        return made

    def candidates(self, allowed: Tensor) -> tuple[Floats, Integers]:
        """The tokens (B, K, W) as what may come next, with their share of the log-probabilities (B * K, V)."""
        rows = len(allowed) // max(len(self), 1)  # K
        tokens = np.maximum(self._tokens, PAD).repeat(rows, 0)  # (N, W)
        found = allowed.gather(1, torch.from_numpy(tokens).to(allowed.device)).cpu().numpy()  # (N, W)
        found = np.where(self._tokens.repeat(rows, 0) == _NONE, NEVER, found).astype(np.float32)
        return found.reshape(len(self), rows, -1), tokens.reshape(len(self), rows, -1)

    def said(self, words: Integers) -> Truths:
        """Marks the words (B, ...) that are among their source's tokens."""
        tokens = self._tokens.reshape(len(self), *[1] * (words.ndim - 1), -1)  # (B, ..., W)
        return (words[..., None] == tokens).any(-1)  # type: ignore[no-any-return]

    def best(self, ranking: Floats, said: Truths, places: int) -> Integers:
        """The candidates that a step keeps, (B, places), out of those with ranks (B, M).

        Those that have said a token of their source get half of the places and the odd one, the others the rest; where
        one side can't fill its places, the other does. Those that have said one stand first, each side best first.
        """
        order = (-ranking).argsort(1, kind="stable")  # (B, M)
        said = np.take_along_axis(said, order, 1)
        turn = np.where(said, said.cumsum(1), (~said).cumsum(1))  # (B, M), from 1: the place on its own side
        shares = np.where(said, places - places // 2, places // 2)
        shares[~self.asked] = places
        late = (turn > shares) | (np.take_along_axis(ranking, order, 1) == NEVER)
        kept = late.argsort(1, kind="stable")[:, :places]
        kept = np.take_along_axis(kept, (~np.take_along_axis(said, kept, 1)).argsort(1, kind="stable"), 1)
        return np.take_along_axis(order, kept, 1)
