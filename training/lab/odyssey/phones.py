"""Phones of AN4's speech by connectionist temporal classification: people who spell, count and say dates."""

import re
from pathlib import Path

import numpy as np
import soundfile
import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from torch.nn.functional import ctc_loss

from training.data.base import DataError
from training.lab.odyssey.problem import Batch, Part, Problem

RATE = 16_000
HOP, WINDOW, FFT = 160, 400, 512
"""Samples between two frames, in a frame, and of its Fourier transform."""
BANDS = 40
STACKED = 3
"""Frames that make a step, of 30 ms then."""
BLANK = 0


def mel_filters() -> Tensor:
    """Triangles (BANDS, FFT / 2 + 1), equally wide in mel."""
    nyquist = 2595 * np.log10(1 + RATE / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, nyquist, BANDS + 2) / 2595) - 1)  # (BANDS + 2,) in hertz
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)  # (FFT / 2 + 1,)
    rising = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]  # (BANDS, FFT / 2 + 1)
    falling = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    return torch.from_numpy(np.minimum(rising, falling).clip(0)).float()


def steps_of(waveform: Tensor, filters: Tensor) -> Tensor:
    """Log-mel spectra of a waveform (S,), three frames a step: (T, 3 BANDS), each band of mean zero."""
    spectrum = torch.stft(
        waveform, FFT, HOP, WINDOW, torch.hann_window(WINDOW), pad_mode="constant", return_complex=True
    )  # (FFT / 2 + 1, frames)
    bands = (filters @ spectrum.abs().square() + 1e-6).log().T  # (frames, BANDS)
    bands = bands - bands.mean(0)
    whole = len(bands) // STACKED * STACKED
    return bands[:whole].reshape(-1, STACKED * BANDS)


def pronunciations(path: Path) -> dict[str, list[str]]:
    """Phones of each word, the first that the dictionary gives."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        found.setdefault(word, phones)
    return found


def read_recording(path: Path) -> Tensor:
    """The waveform (S,) of a file in Ogg or WAV."""
    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: {error.error_string}") from error
    if rate != RATE or samples.ndim != 1 or len(samples) < STACKED * HOP:
        raise DataError(f"{path}: {samples.shape} samples at {rate} Hz; one channel at {RATE} Hz is needed")
    return torch.from_numpy(samples)


class Phones(Problem):
    """The phones of each recording, 33 kinds; the measure is the phone error rate of the likeliest path.

    Of the published training split, every eighth speaker makes dev, and those four after them held.
    """

    name, title, measure = "phones", "AN4 phones", "phone error rate"
    epochs, patience = 40, 15

    def __init__(self, folder: Path) -> None:
        folder = folder / "an4"
        try:
            spoken = pronunciations(folder / "etc" / "an4.dic")
            names = (folder / "etc" / "an4_train.fileids").read_text(encoding="utf-8").split()
            lines = (folder / "etc" / "an4_train.transcription").read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from error
        self.phones = sorted({phone for phones in spoken.values() for phone in phones})
        numbers = {phone: number for number, phone in enumerate(self.phones, start=BLANK + 1)}
        filters = mel_filters()
        parts: list[tuple[list[Tensor], list[list[int]]]] = [([], []), ([], []), ([], [])]
        speakers = sorted({name.split("/")[1] for name in names})
        where = {speaker: {0: 1, 4: 2}.get(place % 8, 0) for place, speaker in enumerate(speakers)}
        for name, line in zip(names, lines, strict=True):
            words = re.sub(r"^<s>|</s> \(.*\)$", "", line).split()
            unknown = [word for word in words if word not in spoken]
            if unknown:
                raise DataError(f"{folder}/etc/an4.dic: no pronunciation of {unknown[0]!r}, which {name} has")
            path = (folder / "wav" / name).with_suffix(".opus")
            inputs, targets = parts[where[name.split("/")[1]]]
            inputs.append(steps_of(read_recording(path if path.exists() else path.with_suffix(".wav")), filters))
            targets.append([numbers[phone] for word in words for phone in spoken[word]])
        deviation = torch.cat(parts[0][0]).std()
        train, dev, held = (Part([each / deviation for each in inputs], targets) for inputs, targets in parts)
        super().__init__(len(numbers) + 1, train, dev, held)

    def _logprobs(self, scores: Tensor, batch: Batch) -> Tensor:
        """(K, T N, V) -> (T, K N, V)."""
        networks, _, symbols = scores.shape
        by_step = scores.view(networks, len(batch.inputs), -1, symbols).transpose(0, 1)  # (T, K, N, V)
        return by_step.flatten(1, 2).log_softmax(-1)

    def losses(self, scores: Tensor, batch: Batch) -> Tensor:
        networks = len(scores)
        symbols = torch.tensor([symbol for target in batch.targets for symbol in target])
        lengths = torch.tensor([len(target) for target in batch.targets])
        nats = ctc_loss(
            self._logprobs(scores, batch),
            symbols.repeat(networks),
            batch.lengths.repeat(networks),
            lengths.repeat(networks),
            reduction="none",
            zero_infinity=True,
        )  # (K N,)
        return nats.view(networks, -1).sum(1) / len(symbols)

    def faults(self, scores: Tensor, batch: Batch) -> tuple[Tensor, int]:
        networks, symbols = len(scores), scores.shape[2]
        paths = scores.view(networks, len(batch.inputs), -1, symbols).argmax(-1).transpose(1, 2)  # (K, N, T)
        wrong = [
            sum(
                Levenshtein.distance(collapse(path[:length]), target)
                for path, length, target in zip(each, batch.lengths, batch.targets, strict=True)
            )
            for each in paths
        ]
        return torch.tensor(wrong, dtype=torch.float), sum(map(len, batch.targets))


def collapse(path: Tensor) -> list[int]:
    """The symbols that a path (T,) says: runs are one, and blanks are left out."""
    return [symbol for symbol in torch.unique_consecutive(path).tolist() if symbol != BLANK]
