"""Tuning: the encoder learns with the decoder, from its chosen module on."""

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from model.checkpoint import Checkpoint, CheckpointError
from model.tasks.captioning import CAPTIONING
from model.vision.preprocessing import normalize
from tests.training.conftest import train
from training.cli import app
from training.recipe import RecipeError, TuningRecipe
from training.tasks.captioning.examples import collate
from training.tasks.captioning.losses import caption_loss
from training.tasks.captioning.tuning import Pictures, TuningTrainer
from training.tasks.captioning.warm_start import open_captioner

STILL = ("training.dropout=0", "training.precision=no", "training.attention_penalty=0", "training.label_smoothing=0")


def test_it_learns_and_leaves_alone_what_it_should(tuning_recipe: Path) -> None:
    options = [*STILL, "training.epochs=100", "augmentation={crop=1, flip=false, colour=0}"]
    trainer = TuningTrainer(TuningRecipe.read(tuning_recipe, options))
    before = {name: tensor.clone() for name, tensor in trainer.captioner.encoder.state_dict().items()}
    losses = train(trainer, 24)
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    after = trainer.captioner.encoder.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learnt = {
        name
        for name, _ in trainer.captioner.encoder.named_parameters()
        if name.startswith(("blocks.5", "blocks.6", "conv_head", "bn2"))
    }
    assert changed == learnt


def test_each_picture_is_encoded_once_for_all_its_captions(tuning_recipe: Path) -> None:
    trainer = TuningTrainer(TuningRecipe.read(tuning_recipe, STILL))
    (batch,) = trainer._ready(trainer.buckets.batches(0)[:1])
    pixels = normalize(batch.pixels, trainer.preprocessing)
    captioner = trainer.captioner
    with torch.no_grad():
        sums = words = 0.0
        for place, picture in enumerate(batch.numbers):
            grid = captioner.encoder(pixels[place, None])
            for number in trainer.captions[picture]:
                tokens, targets = collate([trainer.examples[number]])
                sums += float(caption_loss(captioner.decoder(grid, tokens)[0], targets, 0))
                words += len(trainer.examples[number].tokens) + 1
    encoded: list[int] = []
    captioner.encoder.register_forward_hook(lambda module, inputs, output: encoded.append(len(output)))
    assert trainer._step(batch)["loss"] == pytest.approx(sums / words, rel=1e-5)
    assert encoded == [7]


@pytest.mark.usefixtures("no_java")
def test_stopped_and_resumed_it_ends_with_the_same_weights_to_the_bit(tuning_recipe: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    trainer = TuningTrainer(TuningRecipe.read(tuning_recipe, [f"run={whole}"]))
    assert trainer.run()

    stopped = TuningTrainer(TuningRecipe.read(tuning_recipe))
    stepped = stopped._step

    def interrupted(batch: Pictures) -> dict[str, float]:
        if stopped.progress.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return stepped(batch)

    stopped._step = interrupted  # type: ignore[method-assign]
    assert stopped.run() is False
    assert (stopped.progress.epoch, stopped.progress.batch) == (1, 2)
    told = CliRunner().invoke(app, ["tune", "--config", str(tuning_recipe), "--resume"])
    assert told.exit_code == 0, told.output

    ours, theirs = load_file(tmp_path / "tuned" / "run" / "state.safetensors"), load_file(whole / "state.safetensors")
    assert ours.keys() == theirs.keys()
    assert "weights.encoder.blocks.6.0.conv_pw.weight" in ours
    assert "weights.encoder.blocks.4.0.conv_pw.weight" not in ours
    for name, tensor in theirs.items():  # the last step's weights, their averages and the optimizer's moments
        assert torch.equal(ours[name], tensor), name

    checkpoint = Checkpoint.open(tmp_path / "tuned" / "checkpoint")
    assert checkpoint.task is CAPTIONING
    published, best = checkpoint.load().state_dict(), trainer.best().state_dict()
    for name, tensor in best.items():  # in half precision, the tuned encoder with the rest
        assert torch.equal(published[name], tensor.half().float() if tensor.is_floating_point() else tensor), name
    start = open_captioner(trainer.recipe.start).state_dict()
    assert not torch.equal(published["encoder.conv_head.weight"], start["encoder.conv_head.weight"])
    assert torch.equal(published["encoder.conv_stem.weight"], start["encoder.conv_stem.weight"])
    assert 0 <= checkpoint.metrics["start_CIDEr"] <= 10
    assert "trained together with cross-entropy" in (checkpoint.path / "README.md").read_text()


def test_pictures_that_say_left_or_right_are_never_mirrored(tuning_recipe: Path) -> None:
    trainer = TuningTrainer(TuningRecipe.read(tuning_recipe, ["augmentation={crop=1, colour=0}"]))
    plain = trainer._load((0, 0))
    assert all(torch.equal(trainer._load((0, epoch)), plain) for epoch in range(12))  # a caption says "left"
    trainer.captions[0] = [number for number in trainer.captions[0] if trainer.examples[number].mirrors]
    mirrored = [torch.equal(trainer._load((0, epoch)), plain.flip(2)) for epoch in range(12)]
    assert 0 < sum(mirrored) < 12


def test_a_larger_size_is_trained_and_served(tuning_recipe: Path) -> None:
    trainer = TuningTrainer(TuningRecipe.read(tuning_recipe, ["size=96"]))
    (batch,) = trainer._ready([[0, 1]])
    assert batch.pixels.shape == (2, 3, 96, 96)
    assert trainer.captioner.config.encoder.preprocessing.size == 96
    assert [len(grid) for grid in trainer._dev_grids(trainer.captioner)] == [8]


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ("start={tmp}/nowhere", CheckpointError, r"nowhere.config\.json: no such file"),
        ("start={language}", CheckpointError, "is a language model, a captioner is needed"),
        ("training.first=layer3", RecipeError, r"no module 'layer3'; there are conv_stem, bn1, blocks\.0, blocks\.1"),
        ("encoder.name=timm/resnet18", RecipeError, "encoder: no such key; there are name, output"),
        ("size=16", RecipeError, "size: Input should be greater than or equal to 32"),
    ],
)
def test_what_cannot_be_is_told(
    tuning_recipe: Path,
    tiny_language_checkpoint: Path,
    tmp_path: Path,
    option: str,
    error: type[Exception],
    message: str,
) -> None:
    told = option.format(tmp=tmp_path, language=tiny_language_checkpoint)
    with pytest.raises(error, match=message):
        TuningTrainer(TuningRecipe.read(tuning_recipe, [told]))
