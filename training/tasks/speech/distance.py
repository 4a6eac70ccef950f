"""The distance of speech from a recording: mel-cepstral distance along the best alignment; and whose voice it is."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.audio import Samples
from model.audio.spectrogram import SPREAD, log_spectra

Floats = NDArray[np.float64]
BANDS = 80
ORDER = 13
"""Cepstral coefficients, without the level."""
_WAVES = (
    2 / BANDS * np.cos(np.pi * np.arange(1, ORDER + 1) * (np.arange(BANDS)[:, None] + 0.5) / BANDS)
)  # (BANDS, ORDER)


def cepstra(waveform: Samples) -> Floats:
    """Mel cepstra (T, ORDER) of a waveform (S,): coefficients of the cosines that its log-mel magnitudes consist of."""
    mel, _ = log_spectra(torch.from_numpy(waveform)[None], BANDS)  # (1, T, BANDS)
    found: Floats = mel[0].double().numpy() * SPREAD @ _WAVES
    return found


def mel_cepstral_distance(first: Floats, second: Floats) -> float:
    """Distance in decibels of cepstra (T, ORDER) and (U, ORDER), a mean over frames that dynamic time warping pairs.

    Kubichek, "Mel-cepstral distance measure for objective speech quality assessment" (1993).
    """
    costs = np.sqrt(2 * np.square(first[:, None] - second).sum(-1)) * 10 / np.log(10)  # (T, U)
    rows, columns = costs.shape
    totals = np.full((rows + 1, columns + 1), np.inf)
    pairs = np.zeros((rows + 1, columns + 1))
    totals[0, 0] = 0
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            ways = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
            best = min(ways, key=totals.__getitem__)
            totals[row, column] = totals[best] + costs[row - 1, column - 1]
            pairs[row, column] = pairs[best] + 1
    return float(totals[-1, -1] / pairs[-1, -1])


class Ear:
    """A linear classifier of voices by the mean and the deviation of cepstra (Fisher, 1936)."""

    def __init__(self, waveforms: Sequence[Samples], voices: Sequence[str]) -> None:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        self._model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        self._model.fit(self._summaries(waveforms), voices)

    def right(self, waveforms: Sequence[Samples], voices: Sequence[str]) -> float:
        """Share of waveforms that it takes for the voice that they are of."""
        return float(np.mean(self._model.predict(self._summaries(waveforms)) == np.array(voices)))

    @staticmethod
    def _summaries(waveforms: Sequence[Samples]) -> Floats:
        found = [cepstra(waveform) for waveform in waveforms]
        return np.stack([np.r_[each.mean(0), each.std(0)] for each in found])  # (N, 2 ORDER)
