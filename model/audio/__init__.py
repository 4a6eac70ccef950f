"""Sound: untrusted bytes to a waveform, and a waveform to what a network hears of it."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""A waveform (S,), or some other series of samples."""
RATE = 16_000
"""Samples a second of every waveform."""
