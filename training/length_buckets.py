"""Batches of sentences of like length, so that little of a batch is padding."""

from collections.abc import Sequence

import numpy as np


class LengthBuckets:
    """Batches of examples of like length, in an order that depends on the seed and the epoch alone."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, smallest: int = 1) -> None:
        """Batches of `batch_size` examples; a last one with fewer than `smallest` joins the one before it."""
        self._lengths, self._seed = np.asarray(lengths), seed
        self._cuts = list(range(batch_size, len(lengths), batch_size))
        if self._cuts and len(lengths) - self._cuts[-1] < smallest:
            self._cuts.pop()

    def __len__(self) -> int:
        return len(self._cuts) + 1

    def batches(self, epoch: int) -> list[list[int]]:
        """Every example once: shuffled, sorted by length with ties left as shuffled, cut, and the pieces shuffled."""
        generator = np.random.default_rng((self._seed, epoch))
        order = generator.permutation(len(self._lengths))
        order = order[np.argsort(self._lengths[order], kind="stable")]
        batches = np.split(order, self._cuts)
        return [batches[place].tolist() for place in generator.permutation(len(batches))]
