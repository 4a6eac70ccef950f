"""Cross-entropy training from data to checkpoint: it learns, resumes to the bit, and says what is wrong."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from model.checkpoint import Checkpoint, file_sha256
from model.tasks.captioning import CAPTIONING
from tests.conftest import draw
from tests.training.conftest import kill_once, train
from training.cli import app
from training.recipe import CaptionerRecipe
from training.run_state import StateError
from training.tasks.captioning.cross_entropy import CaptionerTrainer


@pytest.mark.usefixtures("no_java")
def test_killed_and_resumed_it_ends_with_the_same_weights_to_the_bit(tiny_recipe: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    options = [
        f"--set=run={killed}/run",
        f"--set=output={killed}/checkpoint",
        f"--set=features.cache={killed}/features",
    ]
    state = killed / "run" / "state.safetensors"
    kill_once(state, "captioner", "--config", str(tiny_recipe), *options)
    assert not (killed / "checkpoint").exists()
    for arguments in (["--resume", *options], []):
        told = CliRunner().invoke(app, ["captioner", "--config", str(tiny_recipe), *arguments])
        assert told.exit_code == 0, told.output

    weights = "model.safetensors"
    assert file_sha256(killed / "checkpoint" / weights) == file_sha256(tmp_path / "checkpoint" / weights)
    ours, theirs = load_file(state), load_file(tmp_path / "run" / "state.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():  # the last step's weights, their averages and the optimizer's moments
        assert torch.equal(ours[name], tensor), name

    metrics = Checkpoint.open(tmp_path / "checkpoint").metrics
    assert (metrics["split"], metrics["images"], metrics["beam_size"]) == ("dev", 8, 3)
    assert metrics["recipe"]["training"]["epochs"] == 2
    assert 0 <= metrics["CIDEr"] <= 10
    checkpoint = Checkpoint.open(tmp_path / "checkpoint")
    assert checkpoint.task is CAPTIONING
    assert checkpoint.load().caption([draw(0)])[0][0].text
    assert json.loads((tmp_path / "checkpoint" / "metrics.json").read_text()) == metrics
    assert "| BLEU-1 |" in (tmp_path / "checkpoint" / "README.md").read_text()


def test_an_interrupted_run_stops_between_steps_and_can_go_on(tiny_recipe: Path, tmp_path: Path) -> None:
    trainer = CaptionerTrainer(CaptionerRecipe.read(tiny_recipe))
    stepped = trainer._step

    def interrupted(batch: list[int]) -> dict[str, float]:
        if trainer.progress.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return stepped(batch)

    trainer._step = interrupted  # type: ignore[method-assign]
    assert trainer.run() is False
    again = CaptionerTrainer(CaptionerRecipe.read(tiny_recipe), resume=True)
    assert (again.progress.epoch, again.progress.batch, again.progress.step) == (0, 5, 5)


@pytest.mark.parametrize(("decoder", "steps"), [("show-and-tell", 40), ("soft-attention", 40), ("top-down", 100)])
def test_every_decoder_learns(tiny_recipe: Path, decoder: str, steps: int) -> None:
    recipe = CaptionerRecipe.read(
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
    losses = train(CaptionerTrainer(recipe), steps)
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


def test_every_step_is_in_the_recipes_precision(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    trainer = CaptionerTrainer(CaptionerRecipe.read(tiny_recipe, ["features.views=1"]))
    dtypes: list[torch.dtype] = []
    trainer.captioner.decoder.output.register_forward_hook(lambda layer, inputs, output: dtypes.append(output.dtype))
    for batch in trainer.buckets.batches(0)[:2]:
        trainer._step(batch)
    assert dtypes == [torch.bfloat16, torch.bfloat16]


def test_a_run_is_not_overwritten_nor_mixed_with_another(tiny_recipe: Path) -> None:
    trainer = CaptionerTrainer(CaptionerRecipe.read(tiny_recipe))
    trainer._save()
    with pytest.raises(StateError, match="a run is there already; go on with --resume"):
        CaptionerTrainer(CaptionerRecipe.read(tiny_recipe))
    with pytest.raises(StateError, match="of another recipe"):
        CaptionerTrainer(CaptionerRecipe.read(tiny_recipe, ["training.epochs=4"]), resume=True)


def test_a_loss_that_is_no_number_ends_the_run(tiny_recipe: Path) -> None:
    trainer = CaptionerTrainer(CaptionerRecipe.read(tiny_recipe, ["training.learning_rate=1e30"]))
    with pytest.raises(FloatingPointError, match=r"^step \d+: the loss is (nan|inf); lower training\.learning_rate$"):
        trainer.run()
    assert not trainer.best_path.exists()


def test_mirrored_views_are_not_paired_with_left_and_right(tiny_recipe: Path) -> None:
    trainer = CaptionerTrainer(CaptionerRecipe.read(tiny_recipe))
    fixed = [example for example in trainer.examples if not example.mirrors]
    assert len(fixed) == 24  # one caption of each training picture says "left"
    mirrored = trainer.train_features.grids[:, 1]
    for seed in range(10):
        torch.manual_seed(seed)
        grids = trainer._grids(fixed).half().numpy()
        assert not any((grid == mirrored[example.picture]).all() for grid, example in zip(grids, fixed, strict=True))
