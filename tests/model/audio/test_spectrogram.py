"""Spectra of speech that is made, and the way back."""

import numpy as np
import pytest
import torch

from model.audio import RATE
from model.audio.spectrogram import (
    BINS,
    FFT,
    HOP,
    LEVEL,
    SPREAD,
    griffin_lim,
    log_spectra,
    magnitudes_of,
)


def tone(hertz: float, seconds: float = 0.5, level: float = 1.0) -> torch.Tensor:
    return level * torch.sin(2 * np.pi * hertz * torch.arange(int(seconds * RATE)) / RATE)


def test_sine_of_full_scale_has_a_magnitude_of_one() -> None:
    mel, linear = log_spectra(tone(1000)[None], 80)
    assert mel.shape == (1, RATE // 2 // HOP, 80)
    assert linear.shape == (1, RATE // 2 // HOP, BINS)
    magnitudes = magnitudes_of(linear[0])
    assert magnitudes[10:-10].argmax(1).unique().tolist() == [1000 * FFT // RATE]
    assert magnitudes[10:-10].max() == pytest.approx(1, abs=0.01)


def test_silence_and_full_scale_have_logarithms() -> None:
    mel, _ = log_spectra(torch.zeros(1, RATE), 80)
    assert mel.isfinite().all()
    assert torch.allclose(magnitudes_of(torch.full((2, BINS), -LEVEL / SPREAD)), torch.ones(2, BINS), atol=1e-3)


def test_magnitudes_lead_back_to_a_waveform_that_has_them() -> None:
    chord = tone(220, level=0.2) + tone(660, level=0.1) + tone(1500, level=0.1)
    _, linear = log_spectra(chord[None], 80)
    wanted = magnitudes_of(linear[0])
    errors = []
    for iterations in (1, 30):
        waveform = griffin_lim(wanted, iterations)
        assert waveform.shape == chord.shape
        found = magnitudes_of(log_spectra(waveform[None], 80)[1][0])
        errors.append(float((found - wanted).norm() / wanted.norm()))
    assert errors[1] < 0.15
    assert errors[1] < errors[0] / 2


def test_same_seed_same_waveform() -> None:
    wanted = magnitudes_of(log_spectra(tone(300)[None], 80)[1][0])
    assert torch.equal(griffin_lim(wanted, 3, seed=5), griffin_lim(wanted, 3, seed=5))
    assert not torch.equal(griffin_lim(wanted, 3, seed=5), griffin_lim(wanted, 3, seed=6))
