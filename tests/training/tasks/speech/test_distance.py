"""Mel-cepstral distance, and the classifier of voices."""

import itertools

import numpy as np
import pytest

from model.audio import RATE
from tests.voices import tones
from training.tasks.speech.distance import Ear, cepstra, mel_cepstral_distance


def test_distance_is_that_of_the_best_path() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.normal(size=(4, 13)), draw.normal(size=(3, 13))
    costs = np.sqrt(2 * np.square(first[:, None] - second).sum(-1)) * 10 / np.log(10)

    def paths(row: int, column: int) -> list[list[float]]:
        if (row, column) == (3, 2):
            return [[costs[3, 2]]]
        ways = [(row + 1, column + 1), (row + 1, column), (row, column + 1)]
        after = itertools.chain(*(paths(*way) for way in ways if way[0] < 4 and way[1] < 3))
        return [[costs[row, column], *path] for path in after]

    best = min(paths(0, 0), key=sum)
    assert mel_cepstral_distance(first, second) == pytest.approx(sum(best) / len(best))


def test_slower_speech_is_near_and_other_speech_is_far() -> None:
    waveform = tones("hello world")[0]
    same = cepstra(waveform)
    assert mel_cepstral_distance(same, same) == 0
    slower = np.repeat(same, 2, 0)
    assert mel_cepstral_distance(same, slower) < 1e-9
    assert mel_cepstral_distance(same, cepstra(tones("stop now")[0])) > 3


def test_louder_speech_is_no_other() -> None:
    quiet, loud = (tones("hello world")[0] * np.float32(level) for level in (0.25, 0.5))
    assert mel_cepstral_distance(cepstra(quiet), cepstra(loud)) < 2


def test_voices_are_told_apart() -> None:
    draw = np.random.default_rng(0)

    def voice(colour: float) -> "np.typing.NDArray[np.float32]":
        noise = np.fft.rfft(draw.normal(size=RATE)) * np.arange(1, RATE // 2 + 2) ** -colour
        return np.fft.irfft(noise / np.abs(noise).max()).astype(np.float32)

    waveforms, names = [voice(colour) for colour in (0.2, 1.0) * 8], ["ann", "bob"] * 8
    ear = Ear(waveforms, names)
    assert ear.right([voice(0.2), voice(1.0)], ["ann", "bob"]) == 1
    assert ear.right([voice(0.2), voice(1.0)], ["bob", "bob"]) == 0.5
