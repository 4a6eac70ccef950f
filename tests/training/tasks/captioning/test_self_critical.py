"""Self-critical training: the reward rises, runs resume to the bit and are shared among processes."""

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from model.checkpoint import Checkpoint, CheckpointError
from model.tasks.captioning import CAPTIONING
from model.vocabulary import EOS
from tests.training.conftest import kill_once, train
from training.cli import app
from training.recipe import RecipeError, SelfCriticalRecipe
from training.tasks.captioning.self_critical import SelfCriticalTrainer, leave_one_out


@pytest.mark.parametrize(
    "options",
    [
        ("training.baseline=leave-one-out", "training.bleu_weight=1"),
        ("training.baseline=greedy", "training.samples=2"),
    ],
)
def test_the_reward_rises(selfcritical_recipe: Path, options: tuple[str, ...]) -> None:
    fixed = ("training.epochs=1000", "training.dropout=0")
    rewards = train(SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe, [*fixed, *options])), 32)
    assert sum(rewards[-8:]) > 1.5 * sum(rewards[:8]) > 0


@pytest.mark.usefixtures("no_java")
def test_killed_and_resumed_it_ends_with_the_same_weights_to_the_bit(selfcritical_recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    options = [f"run={folder}", f"output={folder}/checkpoint"]
    assert SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe, options)).run()

    state = tmp_path / "rl" / "run" / "state.safetensors"
    kill_once(state, "selfcritical", "--config", str(selfcritical_recipe))
    told = CliRunner().invoke(app, ["selfcritical", "--config", str(selfcritical_recipe), "--resume"])
    assert told.exit_code == 0, told.output

    ours, theirs = load_file(state), load_file(folder / "state.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():  # the last step's weights, their averages and the optimizer's moments
        assert torch.equal(ours[name], tensor), name
    checkpoint = Checkpoint.open(tmp_path / "rl" / "checkpoint")
    assert checkpoint.task is CAPTIONING
    assert checkpoint.config.decoding.max_length == 12
    assert (
        checkpoint.load().vocabulary
        == SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe), resume=True).captioner.vocabulary
    )
    assert 0 <= checkpoint.metrics["start_CIDEr"] <= 10
    assert "on the CIDEr-D of its own captions" in (checkpoint.path / "README.md").read_text()


def test_what_is_kept_lies_on_the_way_from_the_start(selfcritical_recipe: Path, tmp_path: Path) -> None:
    kept = {}
    for share in (1.0, 0.25):
        folder = tmp_path / str(share)
        options = [f"run={folder}", "training.epochs=1", f"training.share={share}"]
        trainer = SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe, options))
        start = {name: tensor.clone() for name, tensor in trainer.captioner.decoder.state_dict().items()}
        assert trainer.run()
        kept[share] = trainer.best().decoder.state_dict()
        resumed = SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe, options), resume=True)
        for name, tensor in resumed._kept().decoder.state_dict().items():
            assert torch.equal(tensor, kept[share][name]), name
    for name, tensor in start.items():
        torch.testing.assert_close(kept[0.25][name], tensor + 0.25 * (kept[1.0][name] - tensor))
    assert not torch.equal(kept[1.0]["output.bias"], start["output.bias"])


def test_asked_to_stop_it_saves_and_goes_on(selfcritical_recipe: Path) -> None:
    trainer = SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe))
    stepped = trainer._step

    def interrupted(batch: list[int]) -> dict[str, float]:
        if trainer.progress.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return stepped(batch)

    trainer._step = interrupted  # type: ignore[assignment, method-assign]
    assert trainer.run() is False
    again = SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe), resume=True)
    assert (again.progress.epoch, again.progress.batch, again.progress.step) == (1, 1, 5)
    assert again.progress.start_score == trainer.progress.start_score


def test_leave_one_out_is_the_mean_of_the_others() -> None:
    assert leave_one_out(torch.tensor([[1.0, 2.0, 6.0]])).tolist() == [[4.0, 3.5, 1.5]]


def test_of_a_mirrored_view_left_is_right(selfcritical_recipe: Path) -> None:
    trainer = SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe))
    trainer.mirrored = {4: 5, 5: "right"}
    trainer.reward.cider.references = [[(4, EOS), ("right", EOS)]]
    said = [[[5, EOS], [4, EOS]]]
    plain, mirrored = (trainer._rewards([0], [view], said)[0].tolist() for view in (0, 1))
    swapped = trainer._rewards([0], [0], [[["right", EOS], [5, EOS]]])[0].tolist()  # type: ignore[list-item]
    assert mirrored == swapped
    assert plain != mirrored


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ("start={tmp}/nowhere", CheckpointError, r"nowhere.config\.json: no such file"),
        ("start={language}", CheckpointError, "is a language model, a captioner is needed"),
        ("training.samples=1", RecipeError, "leave-one-out needs 2 or more"),
        ("decoder.kind=top-down", RecipeError, "decoder: no such key; there are name, output"),
    ],
)
def test_what_cannot_be_is_told(
    selfcritical_recipe: Path,
    tiny_language_checkpoint: Path,
    tmp_path: Path,
    option: str,
    error: type[Exception],
    message: str,
) -> None:
    told = option.format(tmp=tmp_path, language=tiny_language_checkpoint)
    with pytest.raises(error, match=message):
        SelfCriticalTrainer(SelfCriticalRecipe.read(selfcritical_recipe, [told]))
