"""The times of symbols: shared frames, the even start, and an aligner that finds tones."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model.audio.spectrogram import HOP
from model.tasks.speech.pronunciations import BREAK, NUMBERS, Pronunciations
from model.tasks.speech.reading import read
from tests.voices import TEXTS, WORDS, tones
from training.errors import TrainingError
from training.tasks.speech.alignment import Alignment, evenly, fits, targets_of, timed
from training.tasks.speech.reader import Clip
from training.tasks.speech.recipe import AlignmentRecipe

DICTIONARY = Pronunciations({**WORDS, "the": "DH AH"})
REST = NUMBERS[BREAK]


def clip(text: str) -> Clip:
    samples = (tones(text)[0] * 32767).astype(np.int16)
    return Clip("ann", text, text, tuple(read(text, DICTIONARY)), samples)


CLIPS = [clip(text) for text in TEXTS for _ in range(2)]
SCRIPTS = [DICTIONARY.write_down(each.parts) for each in CLIPS]


def test_pauses_are_breaks_for_the_ear() -> None:
    script = DICTIONARY.write_down(read("go, on. Now!", DICTIONARY))
    assert [place for place, target in enumerate(targets_of(script)) if target == REST] == [0, 3, 6, 9]


def test_even_start_leaves_quiet_ends_to_the_breaks() -> None:
    levels = torch.tensor([0.0] * 10 + [5.0] * 30 + [0.0] * 20)
    assert evenly([REST, 10, 11, 12, REST], levels) == [10, 10, 10, 10, 20]
    crowded = evenly([REST, *range(10, 50), REST], levels)  # more than are loud
    assert (sum(crowded), min(crowded)) == (60, 1)


def test_times_are_those_of_the_best_path() -> None:
    scores = np.random.default_rng(3).normal(size=(7, 5)).astype(np.float32)
    scores[:, 0] = -1e4  # the blank

    def total(ends: tuple[int, ...]) -> float:
        spans = itertools.pairwise((0, *ends, 7))
        return sum(float(scores[a:b, target].sum()) for (a, b), target in zip(spans, (1, 3, 1), strict=True))

    best = max(itertools.combinations(range(1, 7), 2), key=total)
    assert timed(scores, [1, 3, 1]) == np.diff([0, *best, 7]).tolist()
    twice = timed(scores, [1, 1, 3])
    assert (sum(twice), min(twice) >= 1) == (7, True)


def test_recordings_that_are_too_short_do_not_fit() -> None:
    short = CLIPS[0].samples[: HOP * (len(SCRIPTS[0].symbols) - 1)]
    assert fits(CLIPS[0], SCRIPTS[0])
    assert not fits(Clip("ann", "", "", CLIPS[0].parts, short), SCRIPTS[0])


def test_aligner_finds_the_tones(tmp_path: Path) -> None:
    recipe = AlignmentRecipe(epochs=16, even=6, hidden_size=32, learning_rate=0.01)
    alignment = Alignment(CLIPS, SCRIPTS, recipe, tmp_path, "one")
    durations = alignment.durations()
    errors = []
    for each, script, own in zip(CLIPS, SCRIPTS, durations, strict=True):
        assert sum(own) == len(each.samples) // HOP
        ends = [0, *np.cumsum(own).tolist()]
        for spot, (word, begin, end) in zip(script.words, tones(each.text)[1], strict=True):
            assert spot.text == word
            errors += [abs(ends[spot.begin] - begin), abs(ends[spot.end] - end)]
    assert np.mean(errors) < 4
    again = Alignment(CLIPS, SCRIPTS, recipe, tmp_path, "one")
    assert again.durations() == durations == json.loads((tmp_path / "alignment.json").read_text())["durations"]
    with pytest.raises(TrainingError, match="of other recordings or another recipe; remove it"):
        Alignment(CLIPS, SCRIPTS, recipe, tmp_path, "two").durations()


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def run(folder: Path, stop: bool) -> list[list[int]]:
        folder.mkdir()
        recipe = AlignmentRecipe(epochs=3, even=1, hidden_size=8)
        alignment = Alignment(CLIPS, SCRIPTS, recipe, folder, "one")
        if stop:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(alignment, "_epoch", lambda epoch: 1 / 0 if epoch == 2 else _epoch(alignment, epoch))
                with pytest.raises(ZeroDivisionError):
                    alignment.durations()
            alignment = Alignment(CLIPS, SCRIPTS, recipe, folder, "one")
        return alignment.durations()

    def _epoch(alignment: Alignment, epoch: int) -> list[list[int]]:
        return Alignment._epoch(alignment, epoch)

    assert run(tmp_path / "whole", stop=False) == run(tmp_path / "stopped", stop=True)
