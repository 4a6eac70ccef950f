"""Model cards: the tasks' templates, filled in."""

from pathlib import Path
from typing import Any

import pytest

from model.figures import Figure
from model.tasks.captioning.captioner import Captioner
from training.publish import card
from training.task import Report
from training.tasks import TASKS, read_recipe


@pytest.fixture
def report(tiny_captioner: Captioner) -> Report:
    cider = Figure(name="CIDEr", label="CIDEr", value=0.6325, split="dev", higher_is_better=True)
    metrics: dict[str, Any] = {"split": "dev", "images": 8, "beam_size": 3, "vocabulary": 42, "start_CIDEr": 0.5}
    return Report([cider], metrics, tiny_captioner.config)


def test_card_of_a_calibrated_captioner_explains_its_confidence(selfcritical_recipe: Path, report: Report) -> None:
    selection = [{"least": 0.0, "kept": 1.0, "good": 0.372}, {"least": 0.5, "kept": 0.25, "good": 0.604}]
    calibration = {"threshold": 0.655, "good": 0.372, "error": 0.034, "uncalibrated_error": 0.139}
    metrics = report.metrics | {"calibration": calibration | {"selection": selection}}
    text = card(TASKS["captioning"], read_recipe(selfcritical_recipe), report, metrics)
    assert "reaches 0.655, which\n37% of the captions do. Expected calibration error\n0.034 (ten groups" in text
    assert "|--:|--:|--:|\n| 0.0 | 100% | 37% |\n| 0.5 | 25% | 60% |\n" in text
    assert "\n\n| CIDEr |\n|---|\n| 0.632 |\n\nMeasured with `recap-train evaluate" in text
    assert text.count("\n## ") == 4
    assert "\n\n\n" not in text


def test_card_says_where_training_started(tuning_recipe: Path, selfcritical_recipe: Path, report: Report) -> None:
    for path, words in (
        (tuning_recipe, "trained together with cross-entropy\nfrom {start} (CIDEr 0.500).\n\n## Data"),
        (selfcritical_recipe, "trained from {start}\n(CIDEr 0.500) on the CIDEr-D of its own captions.\n\n## Data"),
    ):
        recipe = read_recipe(path)
        text = card(TASKS["captioning"], recipe, report, report.metrics)
        assert words.format(start=recipe.start) in text  # type: ignore[attr-defined]
        assert "## Confidence" not in text
