"""Changes to a waveform that leave what is said: speed, rooms, telephones, and what sounds behind it.

Each draws from the generator that it is given, so that an example is the same whenever its epoch is gone through.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from model.audio import RATE, Samples
from training.tasks.transcription.recipe import Augmentation

TALKERS = (3, 7)
"""Least and most voices of a babble."""
Draw = np.random.Generator


def changed_speed(waveform: Samples, factor: float) -> Samples:
    """Speech that is so many times as fast, and as much higher."""
    changed: Samples = soxr.resample(waveform, RATE * factor, RATE, "MQ")
    return changed


def low_passed(waveform: Samples, highest: float, lowest: float = 0.0) -> Samples:
    """Only what is between two frequencies, in hertz."""
    spectrum = np.fft.rfft(waveform)
    hertz = np.fft.rfftfreq(len(waveform), 1 / RATE)
    spectrum[(hertz > highest) | (hertz < lowest)] = 0
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


def echo(draw: Draw, seconds: float) -> Samples:
    """An impulse, and the noise of a room that dies away by 60 dB in so many seconds: (S,)."""
    time = np.arange(int(seconds * RATE)) / RATE
    tail = draw.normal(size=len(time)) * 10 ** (-3 * time / seconds)
    delay = int(draw.uniform(0.002, 0.02) * RATE)
    impulse = np.zeros(delay + len(tail))
    impulse[0] = 1.0
    impulse[delay:] += draw.uniform(0.3, 1.2) * tail / np.sqrt(np.square(tail).sum())
    return impulse.astype(np.float32)


def in_room(waveform: Samples, impulse: Samples) -> Samples:
    """A waveform and its echo, as long as it was."""
    size = 1 << (len(waveform) + len(impulse)).bit_length()
    product = np.fft.rfft(waveform, size) * np.fft.rfft(impulse, size)
    return np.fft.irfft(product, size)[: len(waveform)].astype(np.float32)


def power(waveform: Samples) -> float:
    """Mean square of the loudest half of the tenths of a second: that of the speech, not of pauses around it."""
    size = min(len(waveform), RATE // 10)
    parts = np.square(waveform[: len(waveform) // size * size], dtype=np.float64).reshape(-1, size).mean(1)
    return float(np.sort(parts)[len(parts) // 2 :].mean())


def mixed(waveform: Samples, background: Samples, ratio: float) -> Samples:
    """A waveform with something behind it, at a ratio of their powers in decibels."""
    behind, ahead = power(background), power(waveform)
    if behind == 0 or ahead == 0:
        return waveform
    return waveform + background * np.float32(np.sqrt(ahead / behind / 10 ** (ratio / 10)))


def fitted(waveform: Samples, length: int, begin: int = 0) -> Samples:
    """So many samples of a waveform, from one of its samples on, over and over."""
    return np.resize(np.roll(waveform, -begin), length)


def coloured_noise(draw: Draw, length: int) -> Samples:
    """Noise whose power falls with frequency, or does not: from white to brown."""
    spectrum = draw.normal(size=length // 2 + 1) + 1j * draw.normal(size=length // 2 + 1)
    spectrum /= np.maximum(np.arange(length // 2 + 1), 20) ** draw.uniform(0, 1)
    return _scaled(np.fft.irfft(spectrum, length))


def hum(draw: Draw, length: int) -> Samples:
    """A mains hum: 50 or 60 Hz and its harmonics, over a little noise."""
    time, pitch = np.arange(length) / RATE, draw.choice([50.0, 60.0])
    tones = sum(draw.uniform() / n * np.sin(2 * np.pi * n * pitch * time + draw.uniform(0, 6)) for n in range(1, 12))
    return _scaled(tones + 0.05 * draw.normal(size=length))


def music(draw: Draw, length: int) -> Samples:
    """Chords of plucked or held tones, a few a second."""
    waveform = np.zeros(length)
    begin = 0
    while begin < length:
        size = int(draw.uniform(0.15, 1.0) * RATE)
        time = np.arange(min(size, length - begin)) / RATE
        decay = np.exp(-time * draw.choice([0.0, 4.0]))
        for _ in range(draw.integers(1, 4)):
            pitch = 55 * 2 ** (draw.integers(0, 48) / 12)
            for harmonic in range(1, 8):
                if harmonic * pitch < RATE / 2:
                    tone = np.sin(2 * np.pi * harmonic * pitch * time + draw.uniform(0, 6))
                    waveform[begin : begin + len(time)] += decay * tone * draw.uniform() / harmonic
        begin += size
    return _scaled(waveform)


NOISES: tuple[Callable[[Draw, int], Samples], ...] = (coloured_noise, hum, music)


def babble(draw: Draw, length: int, voices: Sequence[Samples]) -> Samples:
    """Some voices at a time, equally loud."""
    waveform = np.zeros(length, np.float32)
    for _ in range(draw.integers(TALKERS[0], TALKERS[1] + 1)):
        voice = voices[int(draw.integers(len(voices)))]
        waveform += _scaled(fitted(voice, length, int(draw.integers(len(voice)))))
    return waveform


def augmented(draw: Draw, waveform: Samples, asked: Augmentation, voices: Sequence[Samples]) -> Samples:
    """A waveform as one may hear it: `voices` are those that may talk behind it."""
    if asked.speed:
        waveform = changed_speed(waveform, draw.uniform(1 - asked.speed, 1 + asked.speed))
    if draw.uniform() < asked.room:
        waveform = in_room(waveform, echo(draw, draw.uniform(0.1, 0.7)))
    if draw.uniform() < asked.noise:
        noise = NOISES[draw.choice(len(NOISES), p=[0.7, 0.15, 0.15])](draw, len(waveform))
        waveform = mixed(waveform, noise, asked.loudest + draw.uniform(0, 30))
    if draw.uniform() < asked.babble:
        waveform = mixed(waveform, babble(draw, len(waveform), voices), asked.loudest + draw.uniform(0, 30))
    if draw.uniform() < asked.telephone:
        waveform = low_passed(waveform, draw.uniform(3200, 4000), draw.choice([0.0, draw.uniform(100, 300)]))
    gain = 10 ** (draw.uniform(-asked.level, asked.level) / 20)
    return (waveform * np.float32(gain)).clip(-1, 1)


def _scaled(waveform: NDArray[Any]) -> Samples:
    """A waveform with a mean square of 0.01, or silence."""
    size = np.sqrt(np.square(waveform).mean())
    return (waveform * (0.1 / size) if size else waveform).astype(np.float32)
