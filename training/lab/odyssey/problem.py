"""A task of the study: sequences, and how well a network does on them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from training.length_buckets import LengthBuckets


class Batch(NamedTuple):
    """Sequences side by side, padded at their ends with zeros."""

    inputs: Tensor  # (T, N, D)
    lengths: Tensor  # (N,)
    targets: list[Any]  # one a sequence, whatever the problem makes of it

    @property
    def mask(self) -> Tensor:
        """The steps that are none of the padding: (T, N)."""
        return torch.arange(len(self.inputs))[:, None] < self.lengths


class Part(NamedTuple):
    """Sequences (T, D), and the target of each."""

    inputs: list[Tensor]
    targets: list[Any]

    def batch(self, places: Sequence[int]) -> Batch:
        """Some of the sequences."""
        chosen = [self.inputs[place] for place in places]
        lengths = torch.tensor([len(each) for each in chosen])
        return Batch(pad_sequence(chosen), lengths, [self.targets[place] for place in places])

    def shuffled(self, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
        """All sequences, in batches of like length whose order is the epoch's."""
        buckets = LengthBuckets([len(each) for each in self.inputs], batch_size, seed)
        return map(self.batch, buckets.batches(epoch))

    def in_order(self, batch_size: int = 64) -> list[Batch]:
        """All sequences, in batches of like length."""
        order = sorted(range(len(self.inputs)), key=lambda place: len(self.inputs[place]))
        return [self.batch(order[at : at + batch_size]) for at in range(0, len(order), batch_size)]


class Problem(ABC):
    """Data, loss and measure; smaller is better in both.

    A trial learns from `train`, stops by `dev`, which also ranks the trials, and is compared by its score on `held`,
    which decides nothing. Data sets' own test splits are in none of the three.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    measure: ClassVar[str]
    batch_size: ClassVar[int] = 16
    epochs: ClassVar[int]
    patience: ClassVar[int]
    """Epochs without a better score on dev after which a trial ends."""

    def __init__(self, output_size: int, train: Part, dev: Part, held: Part) -> None:
        self.input_size, self.output_size = train.inputs[0].shape[1], output_size
        self.train, self.dev, self.held = train, dev, held

    def read(self, hidden: Tensor, batch: Batch) -> Tensor:
        """The hidden vectors that the output layer sees, of (T, K, N, H): all, (K, T N, H), unless a problem says."""
        return hidden.transpose(0, 1).flatten(1, 2)

    @abstractmethod
    def losses(self, scores: Tensor, batch: Batch) -> Tensor:
        """Losses (K,) of the output layers' scores (K, M, V), to be minimised."""

    @abstractmethod
    def faults(self, scores: Tensor, batch: Batch) -> tuple[Tensor, int]:
        """Sums (K,) over the batch, and by what to divide them: the measure is the quotient over a whole part."""
