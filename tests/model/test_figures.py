"""Figures as they stand in a checkpoint's metrics."""

import json

import pytest

from model.figures import Figure, figures_of
from tests.conftest import ROOT


def test_figures_of_a_default_checkpoint() -> None:
    metrics = json.loads((ROOT / "checkpoints" / "flickr8k-coco" / "metrics.json").read_text())
    first = figures_of(metrics)[0]
    assert first == Figure(name="CIDEr", label="CIDEr", value=metrics["CIDEr"], split="dev", higher_is_better=True)


def test_a_checkpoint_may_have_none() -> None:
    assert figures_of({"CIDEr": 0.5}) == []


def test_what_is_no_figure_is_named() -> None:
    with pytest.raises(ValueError, match=r"figures\.0\.value: Field required"):
        figures_of({"figures": [{"name": "x", "label": "x", "split": "dev", "higher_is_better": True}]})
