"""Bach's chorales: which notes sound next (Boulanger-Lewandowski et al., 2012, whose split and grid these are)."""

import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils.rnn import pad_sequence

from training.data.base import DataError
from training.lab.odyssey.problem import Batch, Part, Problem

FILE = "jsb-chorales-quarter.json"
LOWEST, KEYS = 21, 88
"""MIDI number of a piano's lowest key, and how many keys it has."""


def _roll(steps: list[list[int]], where: str) -> Tensor:
    """Piano roll (T, 88) of lists of MIDI notes."""
    roll = torch.zeros(len(steps), KEYS)
    for time, notes in enumerate(steps):
        for note in notes:
            if not LOWEST <= note < LOWEST + KEYS:
                raise DataError(f"{where}: note {note} in step {time}; a piano has {LOWEST} to {LOWEST + KEYS - 1}")
            roll[time, int(note) - LOWEST] = 1
    return roll


def _part(rolls: list[Tensor]) -> Part:
    return Part([roll[:-1] for roll in rolls], [roll[1:] for roll in rolls])


class Chorales(Problem):
    """All steps of a chorale but the first, each foretold from those before it; 88 independent keys.

    The published validation split makes dev and held, a chorale to each in turn.
    """

    name, title, measure = "chorales", "JSB chorales", "nats a step"
    epochs, patience = 100, 15

    def __init__(self, folder: Path) -> None:
        path = folder / "jsb" / FILE
        try:
            splits = json.loads(path.read_bytes())
            rolls = {
                split: [_roll(steps, f"{path}: {split} {number}") for number, steps in enumerate(splits[split])]
                for split in ("train", "valid")
            }
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not the chorales: {error!r}") from error
        short = [split for split, found in rolls.items() if len(found) < 2 or min(map(len, found)) < 2]
        if short:
            raise DataError(f"{path}: {short[0]} needs two chorales or more, of two steps or more")
        super().__init__(KEYS, _part(rolls["train"]), _part(rolls["valid"][::2]), _part(rolls["valid"][1::2]))

    def _nats(self, scores: Tensor, batch: Batch) -> Tensor:
        """Negative log-likelihood of all steps together, (K,)."""
        targets = pad_sequence(batch.targets).flatten(0, 1).expand_as(scores)  # (K, T N, 88)
        nats = binary_cross_entropy_with_logits(scores, targets, reduction="none").sum(-1)  # (K, T N)
        return (nats * batch.mask.flatten()).sum(1)

    def losses(self, scores: Tensor, batch: Batch) -> Tensor:
        return self._nats(scores, batch) / batch.lengths.sum()

    def faults(self, scores: Tensor, batch: Batch) -> tuple[Tensor, int]:
        return self._nats(scores, batch), int(batch.lengths.sum())
