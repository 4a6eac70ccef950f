"""An epoch's recordings."""

from pathlib import Path

import numpy as np
import pytest

from model.audio import RATE
from tests.recordings import write_recordings
from training.tasks.transcription.examples import Examples, joined
from training.tasks.transcription.reader import Clip, read_recordings
from training.tasks.transcription.recipe import Augmentation, RecogniserTraining

TRAINING = RecogniserTraining(words=0.5, digits=4, silences=0.1)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return read_recordings(write_recordings(tmp_path)).split("train")


def test_epochs_are_equally_long_and_not_the_same(clips: list[Clip]) -> None:
    examples = Examples(clips, TRAINING, Augmentation())
    epochs = [examples.epoch(number) for number in range(3)]
    assert len({len(epoch) for epoch in epochs}) == 1
    assert epochs[0] != epochs[1]
    assert Examples(clips, TRAINING, Augmentation()).epoch(1) == epochs[1]


def test_epoch_has_each_sentence_and_digit_once_and_a_share_of_the_words(clips: list[Clip]) -> None:
    used = [place for example in Examples(clips, TRAINING, Augmentation()).epoch(4) for place in example.clips]
    assert len(used) == len(set(used))
    counts = {name: sum(clip.set == name for clip in clips) for name in ("an4", "fsdd", "speech_commands")}
    found = {name: sum(clips[place].set == name for place in used) for name in counts}
    assert found == counts | {"speech_commands": round(0.5 * counts["speech_commands"])}


def test_strings_are_of_one_speaker_and_not_too_long(clips: list[Clip]) -> None:
    strings = [example for example in Examples(clips, TRAINING, Augmentation()).epoch(0) if len(example.clips) > 1]
    assert strings
    for example in strings:
        assert len({clips[place].speaker for place in example.clips}) == 1
        assert len(example.clips) <= 4
        assert example.text == " ".join(clips[place].text for place in example.clips)


def test_noise_alone_has_no_text(clips: list[Clip]) -> None:
    examples = Examples(clips, TRAINING, Augmentation())
    silent = [(number, example) for number, example in enumerate(examples.epoch(0)) if not example.clips]
    assert silent
    for number, example in silent:
        waveform = examples.waveform(example, 0, number)
        assert (example.text, len(waveform)) == ("", example.length)
        assert 0 < np.abs(waveform).max() <= 1


def test_waveform_is_the_same_again_and_another_in_another_epoch(clips: list[Clip]) -> None:
    examples = Examples(clips, TRAINING, Augmentation())
    example = examples.epoch(0)[0]
    first, again, other = (examples.waveform(example, *place) for place in ((0, 3), (0, 3), (1, 3)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:100], other[:100])


def test_pauses_between_recordings_are_as_quiet_as_they_are() -> None:
    loud = np.full(RATE // 2, 0.5, np.float32)
    loud[:800] = 0.01
    whole = joined(np.random.default_rng(1), [loud, loud])
    assert len(loud) * 2 < len(whole) <= len(loud) * 2 + 3 * 0.3 * RATE
    quiet = np.abs(whole) < 0.2
    assert np.square(whole[quiet]).mean() == pytest.approx(0.01**2, rel=0.3)
