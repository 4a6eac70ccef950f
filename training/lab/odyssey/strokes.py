"""Handwritten characters of Omniglot as the pen drew them (Lake et al., 2015): which character is it?"""

import re
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.data.base import DataError
from training.lab.odyssey.problem import Batch, Part, Problem

FILE = "strokes_background_small1.zip"
SPACING = 0.08
"""Distance between two points of a stroke, as a share of the longer side of the character."""

Points = NDArray[np.float64]


def strokes_of(text: str) -> list[Points]:
    """The strokes of a file, (points, 2) each; its times are left out."""
    lines = [re.findall(r"^(-?[\d.]+),(-?[\d.]+),", part, re.MULTILINE) for part in text.split("BREAK")]
    return [np.array(points, dtype=float) for points in lines if points]


def steps_of(strokes: list[Points]) -> Tensor:
    """Ways from each point to the next, at even distances, and whether the pen is lifted on the way: (T, 3)."""
    everything = np.concatenate(strokes)
    side = max(np.ptp(everything, axis=0).max(), 1.0)  # one pixel for a dot
    spaced = []
    for stroke in strokes:
        length = np.r_[0, np.linalg.norm(np.diff(stroke, axis=0), axis=1).cumsum()]  # (points,)
        at = np.linspace(0, length[-1], max(2, round(length[-1] / side / SPACING) + 1))
        spaced.append(np.stack([np.interp(at, length, axis) for axis in stroke.T], 1))  # (points, 2)
    starts = np.cumsum([len(stroke) for stroke in spaced])[:-1] - 1
    ways = np.diff(np.concatenate(spaced), axis=0) / side / SPACING  # (T, 2)
    lifted = np.zeros((len(ways), 1))
    lifted[starts] = 1
    return torch.from_numpy(np.concatenate([ways, lifted], 1)).float()


class Strokes(Problem):
    """The character, by h after the last step; the measure is the error rate. Other writers make dev and held."""

    name, title, measure = "strokes", "Omniglot strokes", "error rate"
    batch_size = 32
    epochs, patience = 60, 15

    def __init__(self, folder: Path) -> None:
        path = folder / "omniglot" / FILE
        parts: list[tuple[list[Tensor], list[int]]] = [([], []), ([], []), ([], [])]
        characters: dict[str, int] = {}
        try:
            with ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    found = re.fullmatch(r"\w+/(\w+/character\d+)/\d+_(\d\d)\.txt", name)
                    if not found:
                        continue
                    strokes = strokes_of(archive.read(name).decode())
                    if not strokes:
                        raise DataError(f"{path}: {name} has no points")
                    writer = int(found[2])  # 1 to 20
                    inputs, targets = parts[(writer > 14) + (writer > 17)]
                    inputs.append(steps_of(strokes))
                    targets.append(characters.setdefault(found[1], len(characters)))
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        except BadZipFile as error:
            raise DataError(f"{path}: {error}") from error
        if not all(inputs for inputs, _ in parts):
            raise DataError(f"{path}: no characters of 20 writers in it")
        super().__init__(len(characters), *(Part(*part) for part in parts))

    def read(self, hidden: Tensor, batch: Batch) -> Tensor:
        return hidden[batch.lengths - 1, :, torch.arange(len(batch.lengths))].transpose(0, 1)  # (K, N, H)

    def losses(self, scores: Tensor, batch: Batch) -> Tensor:
        targets = torch.tensor(batch.targets).expand(len(scores), -1)  # (K, N)
        return cross_entropy(scores.transpose(1, 2), targets, reduction="none").mean(1)

    def faults(self, scores: Tensor, batch: Batch) -> tuple[Tensor, int]:
        wrong = scores.argmax(-1) != torch.tensor(batch.targets)  # (K, N)
        return wrong.sum(1).float(), len(batch.targets)
