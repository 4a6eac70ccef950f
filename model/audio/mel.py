"""A waveform to its log-mel spectrum, by torch's short-time Fourier transform."""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from model.audio import RATE

HOP = 160
"""Samples between two frames: 10 ms."""
WINDOW = 400
"""Samples of a frame: 25 ms."""
FFT = 512
LOWEST, HIGHEST = 60.0, RATE / 2
"""Ends of the bands, in hertz."""
FLOOR = 1e-6
"""Power that is added to each band, so that silence has a logarithm; below it is what 16 bits can't tell from none."""


def log_mel(waveforms: Tensor, bands: int) -> Tensor:
    """Waveforms (N, S) in -1 to 1 at `RATE` to logarithms of the power in mel bands (N, T, bands), T = S // HOP.

    A frame ends where its hop does: it hears nothing that comes later, so that a waveform that arrives in pieces, each
    with the `FFT - HOP` samples before it, has the same frames.
    """
    return frames(pad(waveforms, (FFT - HOP, 0)), bands)


def frames(waveforms: Tensor, bands: int) -> Tensor:
    """The same of waveforms (N, FFT - HOP + S) that begin with what was heard before."""
    hops = (waveforms.shape[1] - FFT + HOP) // HOP
    if hops < 1:
        return waveforms.new_zeros(len(waveforms), 0, bands)
    window, filters = _window().to(waveforms), _filters(bands).to(waveforms)
    heard = waveforms[:, : FFT - HOP + hops * HOP]
    spectrum = torch.stft(heard, FFT, HOP, WINDOW, window, center=False, return_complex=True)  # (N, FFT / 2 + 1, T)
    power = spectrum.real.square() + spectrum.imag.square()  # (N, FFT / 2 + 1, T)
    return (filters @ power + FLOOR).log().transpose(1, 2)


@cache
def _window() -> Tensor:
    """Hann's, (WINDOW,), scaled so that power does not depend on its length."""
    window = torch.hann_window(WINDOW)
    return window / window.square().sum().sqrt()


@cache
def _filters(bands: int) -> Tensor:
    return triangles(bands, FFT, LOWEST, HIGHEST)


def triangles(bands: int, size: int, lowest: float, highest: float) -> Tensor:
    """Triangles (bands, size / 2 + 1) over the bins of a transform of that size, whose corners are equally far apart in
    mel (Stevens, Volkmann and Newman, 1937, in the form of O'Shaughnessy, "Speech communication", 1987: 2595 log10(1 +
    f / 700)).
    """

    def mel(hertz: Tensor) -> Tensor:
        return 2595 * torch.log10(1 + hertz / 700)

    low, high = mel(torch.tensor([lowest, highest], dtype=torch.float64))
    corners = torch.linspace(float(low), float(high), bands + 2, dtype=torch.float64)  # (bands + 2,)
    bins = mel(torch.linspace(0, RATE / 2, size // 2 + 1, dtype=torch.float64))  # (size / 2 + 1,)
    steps = corners.diff()  # (bands + 1,)
    rising = (bins - corners[:-2, None]) / steps[:-1, None]  # (bands, size / 2 + 1)
    falling = (corners[2:, None] - bins) / steps[1:, None]
    return torch.minimum(rising, falling).clamp(min=0).float()
