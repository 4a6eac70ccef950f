"""Changes to waveforms: by their spectra and their powers."""

import numpy as np
import pytest

from model.audio import RATE, Samples
from training.tasks.transcription.augmentation import (
    NOISES,
    augmented,
    babble,
    changed_speed,
    echo,
    fitted,
    in_room,
    low_passed,
    mixed,
    power,
)
from training.tasks.transcription.recipe import Augmentation


def tone(hertz: float, seconds: float = 1.0) -> Samples:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)).astype(np.float32)


def loudest(waveform: Samples) -> float:
    """Frequency of the loudest tone, in hertz."""
    return float(np.abs(np.fft.rfft(waveform)).argmax() * RATE / len(waveform))


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_speed_changes_length_and_pitch(factor: float) -> None:
    found = changed_speed(tone(500), factor)
    assert len(found) == pytest.approx(RATE / factor, abs=2)
    assert loudest(found) == pytest.approx(500 * factor, rel=0.01)


def test_telephone_has_no_more_than_its_band() -> None:
    both = tone(200) + tone(1000) + tone(6000)
    spectrum = np.abs(np.fft.rfft(low_passed(both, 3400, 300)))
    assert spectrum[1000] > 1000
    assert spectrum[[200, 6000]].max() < 1


@pytest.mark.parametrize("ratio", [0.0, 5.0, 10.0])
def test_background_is_as_loud_as_asked(ratio: float) -> None:
    speech, noise = tone(500), np.random.default_rng(1).normal(size=RATE).astype(np.float32)
    behind = mixed(speech, noise, ratio) - speech
    assert 10 * np.log10(power(speech) / power(behind)) == pytest.approx(ratio, abs=0.1)


def test_silence_has_no_ratio() -> None:
    silent = np.zeros(RATE, np.float32)
    assert np.array_equal(mixed(silent, tone(500), 5), silent)
    assert np.array_equal(mixed(tone(500), silent, 5), tone(500))


def test_room_adds_a_tail_that_dies_away() -> None:
    click = np.zeros(RATE, np.float32)
    click[0] = 1
    found = in_room(click, echo(np.random.default_rng(2), 0.5))
    assert len(found) == RATE
    assert found[0] == pytest.approx(1, abs=1e-5)
    early, late = (np.square(found[begin : begin + 1600]).sum() for begin in (800, 5600))
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.3 / 0.5, abs=6)


def test_noises_are_loud_and_differ() -> None:
    for kind in NOISES:
        first, again, other = (kind(np.random.default_rng(seed), 12_345) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
        assert len(first) == 12_345
        assert np.square(first).mean() == pytest.approx(0.01, rel=1e-3)


def test_babble_is_made_of_the_voices() -> None:
    found = babble(np.random.default_rng(1), RATE, [tone(500), tone(900, 0.3)])
    spectrum = np.abs(np.fft.rfft(found))
    assert set(np.argsort(spectrum)[-2:]) <= set(range(495, 506)) | set(range(890, 911))


def test_fitted_repeats() -> None:
    assert fitted(np.array([1, 2, 3], np.float32), 7, 1).tolist() == [2, 3, 1, 2, 3, 1, 2]


def test_nothing_asked_changes_nothing() -> None:
    none = Augmentation(speed=0, level=0, noise=0, babble=0, room=0, telephone=0)
    np.testing.assert_allclose(augmented(np.random.default_rng(1), tone(500), none, []), tone(500), atol=1e-6)


def test_same_draw_is_the_same_waveform() -> None:
    everything = Augmentation(noise=1, babble=1, room=1, telephone=1)
    first, again, other = (
        augmented(np.random.default_rng(seed), tone(500), everything, [tone(700)]) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)
    assert np.abs(first).max() <= 1
    assert np.isfinite(first).all()
