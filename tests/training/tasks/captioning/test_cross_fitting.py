"""Cross-fitting: the tags of a picture come from a head that has not learnt from it."""

from pathlib import Path

import pytest
import torch

from model.tasks.captioning.config import TaggingConfig
from model.tasks.captioning.tagger import Tagger, Tags
from training.tasks.captioning import cross_fitting
from training.tasks.captioning.cross_fitting import cross_fitted
from training.tasks.captioning.tag_labels import Labels


def make(pictures: int = 200) -> tuple[Tagger, torch.Tensor, Labels]:
    """Labels drawn at random: nothing of one picture tells of another's."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(pictures, 300, generator=generator)
    targets = (torch.rand(pictures, 3, generator=generator) < 0.5).float()
    tagger = Tagger(Tags(["a", "b", "c"], [[], [], []], learnt=[0, 2]), 300, TaggingConfig())
    return tagger, inputs, Labels(targets, torch.ones_like(targets))


def test_head_does_not_know_the_pictures_that_it_tags(tmp_path: Path) -> None:
    """By heart, it would be right of all; of pictures that it has never seen it can only guess."""
    tagger, inputs, labels = make()
    found = cross_fitted(tagger, inputs, labels, 0.0, tmp_path)
    assert found.shape == (200, 3)
    right = ((found > 0.5) == (labels.targets == 1))[:, [0, 2]].float().mean()
    assert 0.35 < right < 0.65
    assert not found[:, 1].any()  # the head never learnt it


def test_result_is_kept_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger, inputs, labels = make(20)
    first = cross_fitted(tagger, inputs, labels, 0.1, tmp_path)
    monkeypatch.setattr(cross_fitting, "LEARNING_RATE", 0.0)
    changed = cross_fitted(tagger, inputs, labels, 0.1, tmp_path)
    assert not torch.equal(first, changed)
    monkeypatch.undo()
    assert torch.equal(cross_fitted(tagger, inputs, labels, 0.1, tmp_path), first)
    (tmp_path / "probabilities.npy").write_bytes((tmp_path / "probabilities.npy").read_bytes())
    assert torch.equal(cross_fitted(tagger, inputs, labels, 0.1, tmp_path), first)
