"""Speech as it is made: a waveform to log-mel and log-linear spectra, and magnitudes back to a waveform.

Recognisers hear other frames (`model.audio.mel`): these overlap by three quarters, so that phases can be found again.
"""

from functools import cache

import torch
from torch import Tensor

from model.audio import RATE
from model.audio.mel import triangles

HOP = 200
"""Samples between two frames: 12.5 ms."""
WINDOW = 800
"""Samples of a frame: 50 ms."""
FFT = 1024
BINS = FFT // 2 + 1
LOWEST, HIGHEST = 50.0, RATE / 2
"""Ends of the mel bands, in hertz."""
FLOOR = 1e-4
"""Magnitude that counts as silence; a sine of full scale has 1."""
LEVEL, SPREAD = -6.5, 2.0
"""Roughly the mean and the standard deviation of log magnitudes of speech."""
MOMENTUM = 0.99


def log_spectra(waveforms: Tensor, bands: int) -> tuple[Tensor, Tensor]:
    """Waveforms (N, S) in -1 to 1 at `RATE` to log-mel (N, T, bands) and log-linear spectra (N, T, BINS), T = S // HOP.

    Both are scaled to a mean of about 0 and a deviation of about 1.
    """
    spectrum = torch.stft(waveforms, FFT, HOP, WINDOW, _window(), return_complex=True)  # (N, BINS, T + 1)
    magnitudes = spectrum[..., : waveforms.shape[1] // HOP].abs() / SCALE  # (N, BINS, T)
    mel = _filters(bands) @ magnitudes  # (N, bands, T)
    return _scaled(mel).transpose(1, 2), _scaled(magnitudes).transpose(1, 2)


def _scaled(magnitudes: Tensor) -> Tensor:
    return ((magnitudes + FLOOR).log() - LEVEL) / SPREAD


def magnitudes_of(scaled: Tensor) -> Tensor:
    """Log-linear spectra (T, BINS), as `log_spectra` scales them, to magnitudes (T, BINS)."""
    return ((scaled * SPREAD + LEVEL).exp() - FLOOR).clamp(min=0)


def griffin_lim(magnitudes: Tensor, iterations: int, seed: int = 0) -> Tensor:
    """A waveform (T HOP,) whose spectrum has about these magnitudes (T, BINS).

    Griffin and Lim, "Signal estimation from modified short-time Fourier transform" (1984), with the momentum of
    Perraudin, Balazs and Søndergaard, "A fast Griffin-Lim algorithm" (2013). The phases begin at random.
    """
    target = magnitudes.t() * SCALE  # (BINS, T)
    target = torch.cat([target, target[:, -1:]], 1)  # (BINS, T + 1), for the last samples have two frames around them
    draw = torch.Generator().manual_seed(seed)
    phases = torch.polar(torch.ones_like(target), 6.2832 * torch.rand(target.shape, generator=draw).to(target.device))
    before = torch.zeros_like(phases)  # (BINS, T + 1), the spectrum that the last phases led to
    size = HOP * len(magnitudes)
    for _ in range(iterations):
        waveform = torch.istft(target * phases, FFT, HOP, WINDOW, _window(), length=size)  # (S,)
        found = torch.stft(waveform, FFT, HOP, WINDOW, _window(), return_complex=True)  # (BINS, T + 1)
        phases = found + MOMENTUM * (found - before)
        phases = phases / phases.abs().clamp(min=1e-8)
        before = found
    return torch.istft(target * phases, FFT, HOP, WINDOW, _window(), length=size)  # (S,)


SCALE = WINDOW / 4
"""Magnitude of a sine of full scale under Hann's window, whose mean is a half: half the window's sum."""


@cache
def _window() -> Tensor:
    return torch.hann_window(WINDOW)


@cache
def _filters(bands: int) -> Tensor:
    """The mean magnitude of each band: triangles (bands, BINS) whose sums are 1."""
    filters = triangles(bands, FFT, LOWEST, HIGHEST)
    return filters / filters.sum(1, keepdim=True).clamp(min=1e-3)
