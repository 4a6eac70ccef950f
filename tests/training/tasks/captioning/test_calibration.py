"""Confidence that says how likely a caption is good."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.config import CalibrationConfig
from tests.conftest import draw
from training.tasks.captioning.calibration import CalibrationError, calibrate, calibration_error
from training.tasks.captioning.score import calibrate_checkpoint

PEOPLE = [0.2, 0.5, 0.8]


def drawn(intercept: float, slope: float, count: int = 20_000) -> tuple[list[float], list[float]]:
    """Probabilities, and CIDEr that is 1 as often as the calibration says and else 0."""
    chance = torch.Generator().manual_seed(0)
    logits = torch.randn(count, generator=chance, dtype=torch.float64)
    good = torch.rand(count, generator=chance, dtype=torch.float64) < (intercept + slope * logits).sigmoid()
    return logits.sigmoid().tolist(), good.double().tolist()


def test_finds_the_numbers_that_captions_were_drawn_from() -> None:
    calibration, figures = calibrate(*drawn(-1.0, 2.0), PEOPLE)
    assert calibration.intercept == pytest.approx(-1.0, abs=0.06)
    assert calibration.slope == pytest.approx(2.0, abs=0.06)
    assert calibration.threshold == figures["threshold"] == 0.5
    assert figures["good"] == pytest.approx(sum(drawn(-1.0, 2.0)[1]) / 20_000)
    assert figures["error"] < 0.015 < 0.1 < figures["uncalibrated_error"]


def test_all_good_ones_may_be_likelier() -> None:
    probabilities = [(1 + place) / 201 for place in range(200)]
    calibration, _ = calibrate(probabilities, [float(value > 0.5) for value in probabilities], PEOPLE)
    assert math.isfinite(calibration.slope)
    assert calibration.confidence(0.9) > 0.99
    assert calibration.confidence(0.1) < 0.01


def test_error_by_hand() -> None:
    confidences = [0.1] * 10 + [0.9] * 10
    assert calibration_error(confidences, [False] * 9 + [True] + [True] * 9 + [False]) == pytest.approx(
        (8 * 0.1 + 1 * 0.4 + 1 * 0.4) / 10  # pairs: of the twenty, two have one good and one bad
    )
    assert calibration_error([1.0] * 20, [True] * 20) == 0
    assert calibration_error([1.0] * 20, [False] * 20) == 1


@given(
    intercept=st.floats(-50, 50),
    slope=st.floats(0.01, 50),
    probabilities=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_confidence_is_a_probability_and_never_falls(
    intercept: float, slope: float, probabilities: tuple[float, float]
) -> None:
    calibration = CalibrationConfig(intercept=intercept, slope=slope, threshold=0.5)
    low, high = (calibration.confidence(value) for value in sorted(probabilities))
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(
    ("probabilities", "cider", "people", "reason"),
    [
        ([0.5] * 200, [0.0, 1.0] * 100, [], "one sentence a picture"),
        ([0.5] * 99, [1.0] * 99, PEOPLE, "99 captions are too few; at least 100 are needed"),
        ([0.5] * 200, [1.0] * 200, PEOPLE, "all of 200 captions are good"),
        ([0.5] * 200, [0.0] * 200, PEOPLE, "none of 200 captions are good"),
        ([0.2, 0.8] * 100, [1.0, 0.0] * 100, PEOPLE, "likelier are no better"),
    ],
    ids=["references", "few", "good", "bad", "worse"],
)
def test_what_cannot_be_calibrated(
    probabilities: list[float], cider: list[float], people: list[float], reason: str
) -> None:
    with pytest.raises(CalibrationError, match=reason):
        calibrate(probabilities, cider, people)


@pytest.mark.usefixtures("no_java")
def test_few_pictures_leave_the_checkpoint_as_it_was(tiny_checkpoint: Path, tiny_data: Path) -> None:
    before = {file.name: file.read_bytes() for file in tiny_checkpoint.iterdir()}
    with pytest.raises(CalibrationError, match="8 captions are too few"):
        calibrate_checkpoint(tiny_checkpoint, tiny_data)
    assert {file.name: file.read_bytes() for file in tiny_checkpoint.iterdir()} == before


@pytest.mark.usefixtures("no_java")
def test_a_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Of 120 pictures, people say what the captioner is surer of, and something else of the others."""
    data = tmp_path / "data"
    (data / "Images").mkdir(parents=True)
    pictures = [draw(number) for number in range(120)]
    before = Checkpoint.open(tiny_checkpoint)
    assert before.task is CAPTIONING
    found = [best[0] for best in before.load().caption(pictures)]
    surest = sorted(found, key=lambda caption: -caption.probability)[:60]
    lines = ["image,caption"]
    for number, (picture, caption) in enumerate(zip(pictures, found, strict=True)):
        picture.save(data / "Images" / f"{number}.png")
        said = caption.text if (caption in surest) != (number % 7 == 0) else "nothing of the kind"
        lines += [f"{number}.png,{said}", f"{number}.png,{said if number % 2 else 'one may differ'}"]
    (data / "captions.txt").write_text("\n".join(lines) + "\n")
    (data / "Flickr_8k.devImages.txt").write_text("".join(f"{number}.png\n" for number in range(120)))

    figures = calibrate_checkpoint(tiny_checkpoint, data)
    checkpoint = Checkpoint.open(tiny_checkpoint)
    assert checkpoint.task is CAPTIONING
    assert checkpoint.metrics == {**before.metrics, "calibration": figures}
    assert checkpoint.sha256 == before.sha256
    assert (checkpoint.path / "README.md").read_text() == (before.path / "README.md").read_text()
    assert figures["error"] < figures["uncalibrated_error"]
    assert checkpoint.config.calibration is not None
    for (caption,), earlier in zip(checkpoint.load().caption(pictures), found, strict=True):
        assert caption.text == earlier.text
        assert caption.probability == earlier.probability == earlier.confidence
        assert caption.confidence == checkpoint.config.calibration.confidence(caption.probability)
