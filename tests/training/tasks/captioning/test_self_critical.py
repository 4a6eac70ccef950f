"""Self-critical training: the reward rises, and mirrored pictures are told mirrored."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, CheckpointError
from model.tasks.captioning import CAPTIONING
from model.vocabulary import EOS
from tests.training.conftest import Finished, train
from training.recipe import RecipeError
from training.tasks.captioning.recipe import SelfCriticalRecipe
from training.tasks.captioning.self_critical import SelfCritical, leave_one_out
from training.tasks.captioning.warm_start import open_captioner
from training.trainer import Trainer


@pytest.mark.parametrize(
    "options",
    [
        ("training.baseline=leave-one-out", "training.bleu_weight=1"),
        ("training.baseline=greedy", "training.samples=2"),
    ],
)
def test_reward_rises(selfcritical_recipe: Path, options: tuple[str, ...]) -> None:
    fixed = ("training.epochs=1000", "training.dropout=0")
    rewards = train(Trainer(SelfCriticalRecipe.read(selfcritical_recipe, [*fixed, *options]), SelfCritical), 20)
    assert sum(rewards[-8:]) > 1.5 * sum(rewards[:8]) > 0


def test_checkpoint_has_the_starts_words_and_score(selfcritical_recipe: Path, finished: Finished) -> None:
    checkpoint = Checkpoint.open(finished(selfcritical_recipe).output)
    assert checkpoint.task is CAPTIONING
    assert checkpoint.config.decoding.max_length == 12
    start = open_captioner(SelfCriticalRecipe.read(selfcritical_recipe).start)
    assert checkpoint.load().vocabulary == start.vocabulary
    assert 0 <= checkpoint.metrics["start_CIDEr"] <= 10
    assert f"(CIDEr {checkpoint.metrics['start_CIDEr']:.3f}) on the CIDEr-D of its own captions." in checkpoint.card


def test_kept_weights_lie_on_the_way_from_the_start(selfcritical_recipe: Path, tmp_path: Path) -> None:
    kept = {}
    for share in (1.0, 0.25):
        options = [f"run={tmp_path / str(share)}", "training.epochs=1", f"training.share={share}"]
        trainer = Trainer(SelfCriticalRecipe.read(selfcritical_recipe, options), SelfCritical)
        start = {name: tensor.clone() for name, tensor in trainer.model.decoder.state_dict().items()}
        assert trainer.run()
        kept[share] = trainer.best().decoder.state_dict()
    for name, tensor in start.items():
        torch.testing.assert_close(kept[0.25][name], tensor + 0.25 * (kept[1.0][name] - tensor))
    assert not torch.equal(kept[1.0]["output.bias"], start["output.bias"])


def test_leave_one_out_is_the_mean_of_the_others() -> None:
    assert leave_one_out(torch.tensor([[1.0, 2.0, 6.0]])).tolist() == [[4.0, 3.5, 1.5]]


def test_captions_of_a_mirrored_view_are_mirrored(selfcritical_recipe: Path) -> None:
    objective = Trainer(SelfCriticalRecipe.read(selfcritical_recipe), SelfCritical).objective
    assert isinstance(objective, SelfCritical)
    objective.mirrored = {4: 5, 5: "right"}
    objective.reward.cider.references = [[(4, EOS), ("right", EOS)]]
    said = [[[5, EOS], [4, EOS]]]
    plain, mirrored = (objective.rewards([0], [view], said)[0].tolist() for view in (0, 1))
    swapped = objective.rewards([0], [0], [[["right", EOS], [5, EOS]]])[0].tolist()  # type: ignore[list-item]
    assert mirrored == swapped
    assert plain != mirrored


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ("start={tmp}/nowhere", CheckpointError, r"nowhere.config\.json: no such file"),
        ("start={language}", CheckpointError, "is a language model, a captioner is needed"),
        ("training.samples=1", RecipeError, "leave-one-out needs 2 or more"),
        ("decoder.kind=top-down", RecipeError, "decoder: no such key; there are task, objective, name, output"),
    ],
)
def test_mistake_in_the_recipe_is_named(
    selfcritical_recipe: Path,
    tiny_language_checkpoint: Path,
    tmp_path: Path,
    option: str,
    error: type[Exception],
    message: str,
) -> None:
    told = option.format(tmp=tmp_path, language=tiny_language_checkpoint)
    with pytest.raises(error, match=message):
        Trainer(SelfCriticalRecipe.read(selfcritical_recipe, [told]), SelfCritical)
