"""Cross-entropy training: every decoder learns, in the recipe's precision, from views that the captions hold for."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from tests.conftest import draw
from tests.training.conftest import Finished, train
from training.tasks.captioning.cross_entropy import CrossEntropy
from training.tasks.captioning.recipe import CrossEntropyRecipe
from training.trainer import Trainer


def test_checkpoint_captions_and_says_where_it_comes_from(tiny_recipe: Path, finished: Finished) -> None:
    checkpoint = Checkpoint.open(finished(tiny_recipe).output)
    metrics = checkpoint.metrics
    assert checkpoint.task is CAPTIONING
    assert (metrics["split"], metrics["images"], metrics["beam_size"]) == ("dev", 8, 3)
    assert metrics["recipe"]["training"]["epochs"] == 2
    assert 0 <= metrics["CIDEr"] <= 10
    assert metrics["notes"][-1].startswith("not calibrated: ")
    assert checkpoint.load().caption([draw(0)])[0][0].text
    assert "trained with cross-entropy." in checkpoint.card
    assert "| CIDEr | BLEU-4 |" in checkpoint.card
    assert f"\n| {metrics['CIDEr']:.3f} | {metrics['BLEU-4']:.3f} |" in checkpoint.card
    assert "## Confidence" not in checkpoint.card


@pytest.mark.parametrize(("decoder", "steps"), [("show-and-tell", 24), ("soft-attention", 24), ("top-down", 100)])
def test_every_decoder_learns(tiny_recipe: Path, decoder: str, steps: int) -> None:
    recipe = CrossEntropyRecipe.read(
        tiny_recipe,
        [
            f"decoder.kind={decoder}",
            "decoder.dropout=0",
            "decoder.hidden_size=32",
            "decoder.embedding_size=16",
            "training.epochs=20",
            "training.learning_rate=0.02",
            "training.label_smoothing=0",
            "training.attention_penalty=0",
        ],
    )
    losses = train(Trainer(recipe, CrossEntropy), steps)
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


def test_updates_are_in_the_recipes_precision(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    trainer = Trainer(CrossEntropyRecipe.read(tiny_recipe, ["features.views=1"]), CrossEntropy)
    dtypes: list[torch.dtype] = []
    trainer.model.decoder.output.register_forward_hook(lambda layer, inputs, output: dtypes.append(output.dtype))
    train(trainer, 2)
    assert dtypes == [torch.bfloat16, torch.bfloat16]


def test_mirrored_views_are_not_paired_with_left_and_right(tiny_recipe: Path) -> None:
    recipe = CrossEntropyRecipe.read(tiny_recipe)
    objective = CrossEntropy(recipe, Trainer(recipe, CrossEntropy).accelerator)
    fixed = [example for example in objective.examples if not example.mirrors]
    assert len(fixed) == 24  # one caption of each training picture says "left"
    mirrored = objective.features["train"].grids[:, 1]
    for seed in range(10):
        torch.manual_seed(seed)
        grids = objective.grids(fixed).half().numpy()
        assert not any((grid == mirrored[example.picture]).all() for grid, example in zip(grids, fixed, strict=True))
