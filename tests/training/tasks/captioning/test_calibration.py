"""Confidence that says how likely a caption is good."""

import math
from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from tests.conftest import draw
from training.calibration import CalibrationError, calibrate, calibration_error
from training.tasks.captioning.score import calibrate_checkpoint


def test_all_good_ones_may_be_likelier() -> None:
    probabilities = [(1 + place) / 201 for place in range(200)]
    calibration, _ = calibrate(probabilities, [float(value > 0.5) for value in probabilities], 0.5)
    assert math.isfinite(calibration.slope)
    assert calibration.confidence(0.9) > 0.99
    assert calibration.confidence(0.1) < 0.01


def test_error_by_hand() -> None:
    confidences = torch.tensor([0.1] * 10 + [0.9] * 10, dtype=torch.float64)
    good = torch.tensor([False] * 9 + [True] + [True] * 9 + [False])
    expected = (8 * 0.1 + 1 * 0.4 + 1 * 0.4) / 10  # pairs: of the twenty, two have one good and one bad
    assert calibration_error(confidences, good) == pytest.approx(expected)


@pytest.mark.usefixtures("no_java")
def test_few_pictures_leave_the_checkpoint_as_it_was(tiny_checkpoint: Path, tiny_data: Path) -> None:
    before = {file.name: file.read_bytes() for file in tiny_checkpoint.iterdir()}
    with pytest.raises(CalibrationError, match="8 outputs are too few"):
        calibrate_checkpoint(tiny_checkpoint, [tiny_data])
    assert {file.name: file.read_bytes() for file in tiny_checkpoint.iterdir()} == before


@pytest.mark.usefixtures("no_java")
def test_one_sentence_a_picture_cannot_be_compared(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "Images").mkdir()
    for number in range(8):
        draw(number).save(tmp_path / "Images" / f"{number}.png")
    (tmp_path / "captions.txt").write_text("image,caption\n" + "".join(f"{x}.png,a dog runs\n" for x in range(8)))
    (tmp_path / "Flickr_8k.devImages.txt").write_text("".join(f"{number}.png\n" for number in range(8)))
    with pytest.raises(CalibrationError, match="there is one sentence a picture"):
        calibrate_checkpoint(tiny_checkpoint, [tmp_path])


@pytest.mark.usefixtures("no_java")
def test_a_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Of 120 pictures in two data sets, people say what the captioner is surer of, and something else of the others."""
    pictures = [draw(number) for number in range(120)]
    before = Checkpoint.open(tiny_checkpoint)
    assert before.task is CAPTIONING
    found = [best[0] for best in before.load().caption(pictures)]
    surest = sorted(found, key=lambda caption: -caption.probability)[:60]
    for name, numbers in (("ours", range(80)), ("theirs", range(80, 120))):
        data = tmp_path / name
        (data / "Images").mkdir(parents=True)
        lines = ["image,caption"]
        for number in numbers:
            pictures[number].save(data / "Images" / f"{number}.png")
            said = found[number].text if (found[number] in surest) != (number % 7 == 0) else "nothing of the kind"
            lines += [f"{number}.png,{said}", f"{number}.png,{said if number % 2 else 'one may differ'}"]
        (data / "captions.txt").write_text("\n".join(lines) + "\n")
        (data / "Flickr_8k.devImages.txt").write_text("".join(f"{number}.png\n" for number in numbers))

    figures = calibrate_checkpoint(tiny_checkpoint, [tmp_path / "ours", tmp_path / "theirs"])
    checkpoint = Checkpoint.open(tiny_checkpoint)
    assert checkpoint.task is CAPTIONING
    assert checkpoint.metrics == {**before.metrics, "calibration": figures}
    assert checkpoint.sha256 == before.sha256
    assert (checkpoint.path / "README.md").read_text() == (before.path / "README.md").read_text()
    assert figures["error"] < figures["uncalibrated_error"]
    assert {"ours_error", "theirs_error"} <= figures.keys()
    assert checkpoint.config.calibration is not None
    for (caption,), earlier in zip(checkpoint.load().caption(pictures), found, strict=True):
        assert caption.text == earlier.text
        assert caption.probability == earlier.probability == earlier.confidence
        assert caption.confidence == checkpoint.config.calibration.confidence(caption.probability)
