"""Batches of sentences of like length, so that little of a batch is padding."""

from collections.abc import Sequence

import numpy as np


class LengthBuckets:
    """Batches of examples of like length, in an order that depends on the seed and the epoch alone."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, smallest: int = 1) -> None:
        """
        Args:
            lengths: length of each example.
            batch_size: examples in a batch.
            seed: seed of the order.
            smallest: a last batch with fewer examples than this joins the one before it.
        """
        self._lengths = np.asarray(lengths)
        self._seed = seed
        cuts = list(range(batch_size, len(lengths), batch_size))
        if cuts and len(lengths) - cuts[-1] < smallest:
            cuts.pop()
        self._cuts = cuts

    def __len__(self) -> int:
        return len(self._cuts) + 1

    def batches(self, epoch: int) -> list[list[int]]:
        """Every example once: shuffled, sorted by length with ties left as shuffled, cut, and the pieces shuffled."""
        generator = np.random.default_rng((self._seed, epoch))
        order = generator.permutation(len(self._lengths))
        order = order[np.argsort(self._lengths[order], kind="stable")]
        batches = np.split(order, self._cuts)
        return [batches[place].tolist() for place in generator.permutation(len(batches))]
