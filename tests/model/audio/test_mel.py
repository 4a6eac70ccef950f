"""Log-mel spectra: against their definition, and in pieces."""

import math

import numpy as np
import pytest
import torch

from model.audio import RATE
from model.audio.mel import FFT, FLOOR, HOP, WINDOW, frames, log_mel


@pytest.mark.parametrize("hertz", [100.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_tone_is_loudest_in_its_band(hertz: float) -> None:
    wave = torch.sin(2 * math.pi * hertz * torch.arange(RATE) / RATE)[None]
    found = log_mel(wave, 64)[0, 50]  # (64,)

    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    place = (mel(hertz) - mel(60)) / (mel(8000) - mel(60)) * 65 - 1
    assert abs(int(found.argmax()) - place) <= 1


def test_power_is_that_of_a_plain_fourier_transform() -> None:
    wave = torch.randn(1, 4000, generator=torch.Generator().manual_seed(1)) * 0.1
    found = log_mel(wave, 40)  # (1, T, 40)
    assert found.shape == (1, 4000 // HOP, 40)
    time = 7
    heard = np.pad(wave[0].numpy(), (FFT - HOP, 0))[time * HOP : time * HOP + FFT]
    window = np.zeros(FFT)
    window[(FFT - WINDOW) // 2 : (FFT + WINDOW) // 2] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    power = np.abs(np.fft.rfft(heard * window)) ** 2 / np.square(window).sum()
    assert float(found[0, time].exp().sum()) == pytest.approx(_in_bands(power) + 40 * FLOOR, rel=1e-3)


def _in_bands(power: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """The sum over triangles, one after another."""
    mel = 2595 * np.log10(1 + np.linspace(0, 8000, FFT // 2 + 1) / 700)
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (60, 8000))
    corners = np.linspace(low, high, 42)
    total = 0.0
    for left, middle, right in zip(corners, corners[1:], corners[2:], strict=False):
        total += float((np.interp(mel, [left, middle, right], [0, 1, 0]) * power).sum())
    return total


def test_silence_is_the_floor() -> None:
    assert torch.equal(log_mel(torch.zeros(1, 1600), 8), torch.full((1, 10, 8), math.log(FLOOR)))


def test_waveform_in_pieces_has_the_same_frames() -> None:
    wave = torch.randn(1, 5000, generator=torch.Generator().manual_seed(2))
    whole = log_mel(wave, 16)
    before = torch.zeros(1, FFT - HOP)
    parts = []
    for size in (160, 320, 800, 1600):
        piece, wave = wave[:, :size], wave[:, size:]
        heard = torch.cat([before, piece], 1)
        parts.append(frames(heard, 16))
        before = heard[:, -(FFT - HOP) :]
    found = torch.cat(parts, 1)
    torch.testing.assert_close(found, whole[:, : found.shape[1]])


@pytest.mark.parametrize("samples", [0, 1, HOP - 1])
def test_less_than_a_frame_is_none(samples: int) -> None:
    assert log_mel(torch.zeros(2, samples), 8).shape == (2, 0, 8)
