"""A long recording cut where it is quietest, so that what is heard at once is not longer than a sentence or two."""

import numpy as np

from model.audio import RATE, Samples

LONGEST = 12 * RATE
"""Samples of the longest piece."""
_SHORTEST = 4 * RATE
"""Samples of the shortest, but for the last."""
_PAUSE = RATE // 5
"""Samples over which quiet is measured."""


def cuts(waveform: Samples) -> list[tuple[int, int]]:
    """Begin and end of each piece of a waveform (S,), which together are all of it."""
    pieces, begin = [], 0
    while len(waveform) - begin > LONGEST:
        window = waveform[begin + _SHORTEST : begin + LONGEST].astype(np.float64)
        power = np.r_[0.0, np.square(window).cumsum()]
        quiet = power[_PAUSE:] - power[:-_PAUSE]
        end = begin + _SHORTEST + int(quiet.argmin()) + _PAUSE // 2
        pieces.append((begin, end))
        begin = end
    return [*pieces, (begin, len(waveform))]
