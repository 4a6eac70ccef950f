"""Scores, by hand; calibration; and a recogniser measured in one command."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import run_command
from training.tasks.transcription.reader import Clip
from training.tasks.transcription.score import (
    CONDITIONS,
    Score,
    calibrated,
    digit_strings,
    noises,
    pooled,
)


def test_errors_are_counted_where_something_was_said() -> None:
    score = Score(["one two three", "", "four"], ["one too", "oh", "four"])
    assert score.word_error_rate == pytest.approx(2 / 4)
    assert score.character_error_rate == pytest.approx((1 + 6) / (13 + 4))
    assert score.wrong == pytest.approx(2 / 3)
    assert score.wordy == 1.0


def test_commands_have_twelve_classes() -> None:
    said = ["yes", "bed", "bird", "", "no", "up"]
    heard = ["yes", "bad", "go", "", "", "up up"]
    assert Score(said, heard).commands == pytest.approx(3 / 6)


def test_scores_are_pooled_by_their_words() -> None:
    both = pooled([Score(["a b c"], ["a b c"]), Score(["a"], ["b"])])
    assert both.word_error_rate == pytest.approx(1 / 4)


def test_calibration_finds_the_function_that_words_were_drawn_from() -> None:
    draw = np.random.default_rng(1)
    scores = draw.uniform(-3, 0, 20_000)
    right = draw.uniform(size=len(scores)) < 1 / (1 + np.exp(-(2 * scores + 3)))
    found = calibrated(list(zip(scores.tolist(), right.tolist(), strict=True)))
    assert (found.slope, found.offset) == pytest.approx((2, 3), rel=0.1)


def test_words_that_are_all_right_have_a_calibration() -> None:
    found = calibrated([(-0.1, True), (-0.2, True), (-0.05, True)])
    assert np.isfinite([found.slope, found.offset]).all()


def test_strings_are_the_same_each_time_and_of_one_speaker() -> None:
    draw = np.random.default_rng(1)
    clips = [
        Clip("fsdd", speaker, digit, draw.integers(-99, 99, 4000).astype(np.int16))
        for speaker in ("ann", "bob")
        for digit in ("one", "two")
    ]
    first, again = digit_strings(clips), digit_strings(clips)
    assert [clip.text for clip in first] == [clip.text for clip in again]
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(first, again, strict=True))
    assert {len(clip.text.split()) for clip in first} == {3, 4, 5, 6, 7}
    assert all(len(clip) >= 4000 * len(clip.text.split()) for clip in first)


def test_noises_say_nothing() -> None:
    assert all(clip.text == "" for clip in noises())
    assert any(not clip.samples.any() for clip in noises())


def test_one_command_measures_everything(transcription_recipe: Path, recordings: Path, tmp_path: Path) -> None:
    options = ("--set", "training.epochs=1", "--set", "model.decoding.beam_size=2")
    assert run_command("train", "--config", str(transcription_recipe), *options) == 0
    checkpoint = tmp_path / "transcription" / "checkpoint"
    metrics = json.loads((checkpoint / "metrics.json").read_text())
    assert {figure["split"] for figure in metrics["figures"]} == {"dev", "test"}
    noisy = {f"fsdd_{condition}_wer" for condition in CONDITIONS if condition != "clean"}
    expected = {"word_error_rate", "fsdd_wer", "strings_wer", "speech_commands_wer", "noise_with_words"} | noisy
    written = tmp_path / "report.json"
    scored = ("--checkpoint", str(checkpoint), "--data", str(recordings), "--split", "test", "--json", str(written))
    assert run_command("evaluate", *scored) == 0
    report = json.loads(written.read_text())
    for split in ("dev", "test"):
        assert expected <= metrics[split].keys()
        assert all(metrics[split][name] >= 0 for name in expected)
    assert {**report, "seconds": 0} == pytest.approx({**metrics["test"], "seconds": 0})
