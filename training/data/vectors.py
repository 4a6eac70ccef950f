"""Word vectors made elsewhere, to begin with: GloVe's, for one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data.base import DataError
from training.data.text import read_text


class Vectors:
    """Words and their vectors: `words.txt` with a word a line, commonest first, and `vectors.npy` with a row a word."""

    def __init__(self, folder: Path) -> None:
        """Reads the words, and maps the vectors.

        Raises:
            DataError: a file is missing or broken, or they have different lengths.
        """
        self.words = read_text(folder / "words.txt").splitlines()
        path = folder / "vectors.npy"
        try:
            self._rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: {error}") from error
        if self._rows.ndim != 2 or len(self._rows) != len(self.words):
            shape = " x ".join(map(str, self._rows.shape))
            raise DataError(f"{path}: a row for each of {len(self.words)} words is needed; it is {shape}")
        self._places = {word: place for place, word in enumerate(self.words)}

    @property
    def size(self) -> int:
        """Length D of a vector."""
        return int(self._rows.shape[1])

    def __contains__(self, word: str) -> bool:
        return word in self._places

    def of(self, words: Sequence[str]) -> Tensor:
        """(N, D), the vectors of words that it has, in single precision."""
        return torch.from_numpy(np.asarray(self._rows[[self._places[word] for word in words]], np.float32))
