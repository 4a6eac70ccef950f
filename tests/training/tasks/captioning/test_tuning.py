"""Tuning: the encoder learns with the decoder, from its chosen module on."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.checkpoint import Checkpoint, CheckpointError
from model.tasks.captioning import CAPTIONING
from model.vision.preprocessing import normalize
from tests.training.conftest import Finished, train
from training.recipe import RecipeError
from training.tasks.captioning.ensemble import read_pictures
from training.tasks.captioning.examples import collate
from training.tasks.captioning.losses import caption_loss
from training.tasks.captioning.recipe import TuningRecipe
from training.tasks.captioning.tuning import Tuning
from training.tasks.captioning.warm_start import open_captioner
from training.trainer import Trainer

STILL = ("training.dropout=0", "training.precision=no", "training.attention_penalty=0", "training.label_smoothing=0")


def test_encoder_learns_from_its_first_tuned_module_on(tuning_recipe: Path) -> None:
    options = [*STILL, "training.epochs=100", "augmentation={crop=1, flip=false, colour=0}"]
    trainer = Trainer(TuningRecipe.read(tuning_recipe, options), Tuning)
    before = {name: tensor.clone() for name, tensor in trainer.model.encoder.state_dict().items()}
    losses = train(trainer, 24)
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    after = trainer.model.encoder.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learnt = {
        name
        for name, _ in trainer.model.encoder.named_parameters()
        if name.startswith(("blocks.5", "blocks.6", "conv_head", "bn2"))
    }
    assert changed == learnt


def open_objective(path: Path, options: Sequence[str]) -> Tuning:
    recipe = TuningRecipe.read(path, options)
    objective = Trainer(recipe, Tuning).objective
    assert isinstance(objective, Tuning)
    return objective


def test_each_picture_is_encoded_once_for_all_its_captions(tuning_recipe: Path) -> None:
    objective = open_objective(tuning_recipe, STILL)
    pictures, captioner = objective.buckets.batches(0)[0], objective.model
    pixels = normalize(torch.stack([objective.load((picture, 0)) for picture in pictures]), objective.preprocessing)
    with torch.no_grad():
        sums = words = 0.0
        for place, picture in enumerate(pictures):
            grid = captioner.encoder(pixels[place, None])
            for number in objective.captions[picture]:
                tokens, targets = collate([objective.examples[number]])
                sums += float(caption_loss(captioner.decoder(grid, tokens)[0], targets, 0))
                words += len(objective.examples[number].tokens) + 1
    encoded: list[int] = []
    captioner.encoder.register_forward_hook(lambda module, inputs, output: encoded.append(len(output)))
    figures = next(objective.updates(0, 0, objective.network.train(), torch.Tensor.backward))
    assert figures["loss"] == pytest.approx(sums / words, rel=1e-5)
    assert encoded == [7]


def test_checkpoint_has_the_tuned_encoder(tuning_recipe: Path, finished: Finished) -> None:
    recipe = finished(tuning_recipe)
    assert isinstance(recipe, TuningRecipe)
    state = load_file(recipe.run / "state.safetensors")
    assert "weights.encoder.blocks.6.0.conv_pw.weight" in state
    assert "weights.encoder.blocks.4.0.conv_pw.weight" not in state

    trainer = Trainer(recipe, Tuning, resume=True)
    checkpoint = Checkpoint.open(recipe.output)
    assert checkpoint.task is CAPTIONING
    published, best = checkpoint.load().state_dict(), trainer.best().state_dict()
    for name, tensor in best.items():  # in half precision, the tuned encoder with the rest
        assert torch.equal(published[name], tensor.half().float() if tensor.is_floating_point() else tensor), name
    start = open_captioner(trainer.recipe.start).state_dict()
    assert not torch.equal(published["encoder.conv_head.weight"], start["encoder.conv_head.weight"])
    assert torch.equal(published["encoder.conv_stem.weight"], start["encoder.conv_stem.weight"])
    assert 0 <= checkpoint.metrics["start_CIDEr"] <= 10
    assert "trained together with cross-entropy\nfrom " in checkpoint.card


def test_pictures_that_say_left_or_right_are_never_mirrored(tuning_recipe: Path) -> None:
    objective = open_objective(tuning_recipe, ["augmentation={crop=1, colour=0}"])
    plain = objective.load((0, 0))
    assert all(torch.equal(objective.load((0, epoch)), plain) for epoch in range(12))  # a caption says "left"
    objective.captions[0] = [number for number in objective.captions[0] if objective.examples[number].mirrors]
    mirrored = [torch.equal(objective.load((0, epoch)), plain.flip(2)) for epoch in range(12)]
    assert 0 < sum(mirrored) < 12


def test_larger_size_is_trained_and_served(tuning_recipe: Path) -> None:
    objective = open_objective(tuning_recipe, ["size=96"])
    assert objective.load((0, 0)).shape == (3, 96, 96)
    assert objective.model.config.encoder.preprocessing.size == 96
    assert [len(grid) for grid in read_pictures(objective.model, objective.dev.images, 50)] == [8]


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ("start={tmp}/nowhere", CheckpointError, r"nowhere.config\.json: no such file"),
        ("start={language}", CheckpointError, "is a language model, a captioner is needed"),
        ("training.first=layer3", RecipeError, r"no module 'layer3'; there are conv_stem, bn1, blocks\.0, blocks\.1"),
        ("encoder.name=timm/resnet18", RecipeError, "encoder: no such key; there are task, objective, name, output"),
        ("size=16", RecipeError, "size: Input should be greater than or equal to 32"),
    ],
)
def test_mistake_in_the_recipe_is_named(
    tuning_recipe: Path,
    tiny_language_checkpoint: Path,
    tmp_path: Path,
    option: str,
    error: type[Exception],
    message: str,
) -> None:
    told = option.format(tmp=tmp_path, language=tiny_language_checkpoint)
    with pytest.raises(error, match=message):
        Trainer(TuningRecipe.read(tuning_recipe, [told]), Tuning)
