"""Sound: untrusted bytes to a waveform, and a waveform to what a network hears of it."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""A waveform (S,), or some other series of samples."""
RATE = 16_000
"""Samples a second of every waveform."""


class WaveformError(ValueError):
    """A recording that is not read; the message says what is wrong with it, and what would be right.

    Args:
        code: short, stable name for programs: `empty_audio`, `unsupported_audio`, `audio_too_large`, `damaged_audio`.
        message: for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
