"""Tagging: the head learns the nouns of captions, and the rest of the captioner stays."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.config import TaggingConfig
from model.tasks.captioning.tagger import Tagger, Tags
from tests.training.conftest import Finished, train
from training.tasks.captioning.recipe import TaggingRecipe
from training.tasks.captioning.tagging import Tagging, calibrate_tags, mean_average_precision
from training.tasks.captioning.warm_start import open_captioner
from training.trainer import Trainer


def test_head_learns_and_the_captioner_stays(tagging_recipe: Path, start: Path) -> None:
    trainer = Trainer(
        TaggingRecipe.read(tagging_recipe, ["training.epochs=20", "training.learning_rate=0.01", "training.penalty=0"]),
        Tagging,
    )
    losses = train(trainer, 40)
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    before, after = open_captioner(start).state_dict(), trainer.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_average_precision_of_a_known_ranking() -> None:
    targets = torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    assert mean_average_precision(torch.tensor([[0.9], [0.8], [0.7], [0.1]]), targets) == pytest.approx((1 + 2 / 3) / 2)
    assert mean_average_precision(targets, targets) == 1


def test_calibration_finds_the_slope_that_was_lost() -> None:
    """Labels are drawn from a head's probabilities; then its logits are made four times too large."""
    torch.manual_seed(0)
    tagger = Tagger(Tags(["a", "b", "c"], [[], [], []]), 8, TaggingConfig()).requires_grad_(False)
    features = torch.randn(2000, 8)
    targets = torch.bernoulli(tagger.logits(features).sigmoid())
    tagger.head.weight.mul_(4)
    tagger.head.bias.mul_(4)
    config, error, before = calibrate_tags(tagger, features, targets)
    assert config.slope == pytest.approx(0.25, abs=0.05)
    assert error < 0.05 < before


def test_checkpoint_has_a_calibrated_tagger(tagging_recipe: Path, finished: Finished) -> None:
    checkpoint = Checkpoint.open(finished(tagging_recipe).output).expect(CAPTIONING)
    assert checkpoint.config.tagging is not None
    assert {"error", "uncalibrated_error"} < checkpoint.metrics["tags"].keys()
    assert checkpoint.load().tags is not None
