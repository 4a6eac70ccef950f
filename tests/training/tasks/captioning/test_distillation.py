"""What teachers say at each place of the training captions."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import CheckpointError, save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from tests.training.conftest import train
from training.data.pictures import open_picture
from training.tasks.captioning.cross_entropy import CrossEntropy
from training.tasks.captioning.distillation import Teaching, ask_teachers
from training.tasks.captioning.ensemble import read_pictures
from training.tasks.captioning.examples import caption_examples, collate
from training.tasks.captioning.losses import expected_loss
from training.tasks.captioning.readers import open_dataset
from training.tasks.captioning.recipe import CrossEntropyRecipe, DistillationRecipe, TuningRecipe
from training.tasks.captioning.tuning import Tuning
from training.tasks.captioning.warm_start import open_captioner
from training.trainer import Trainer

CPU = torch.device("cpu")


def ask(checkpoint: Path, data: Path, captioner: Captioner, folder: Path, **options: object) -> Teaching:
    recipe = DistillationRecipe.model_validate({"teachers": [checkpoint], "words": 4, "temperature": 2, **options})
    images = open_dataset(data).split("train")
    examples = caption_examples(images, captioner.vocabulary, 7)
    return ask_teachers(recipe, images, examples, captioner.vocabulary, folder, batch_size=5)


def test_a_teacher_is_asked_at_each_place(tiny_checkpoint: Path, tiny_data: Path, tmp_path: Path) -> None:
    teacher = open_captioner(tiny_checkpoint)
    teaching = ask(tiny_checkpoint, tiny_data, teacher, tmp_path / "teachers")
    images = open_dataset(tiny_data).split("train")
    examples = caption_examples(images, teacher.vocabulary, 7)
    assert teaching.words.shape == (120, 8, 4)
    for number in (0, 33, 119):
        tokens, _ = collate([examples[number]])
        length = tokens.shape[1]
        pixels = teacher.preprocess(open_picture(images[examples[number].picture].path))
        with torch.inference_mode():
            logits, _ = teacher.decoder(teacher.encode(pixels[None]), tokens)
        best = (logits[0] / 2).softmax(1).topk(4)
        expected = teaching.expected([number], 8, CPU)
        shares = best.values / best.values.sum(1, keepdim=True)
        torch.testing.assert_close(expected.probabilities[0, :length], shares, atol=1e-3, rtol=0)
        assert torch.equal(expected.words[0, :length, 0], best.indices[:, 0])
        assert not expected.probabilities[0, length:].any()


def test_it_is_asked_again_only_when_something_changed(
    tiny_checkpoint: Path, tiny_captioner: Captioner, tiny_data: Path, tmp_path: Path
) -> None:
    def written(**options: object) -> int:
        ask(tiny_checkpoint, tiny_data, tiny_captioner, tmp_path / "teachers", **options)
        return (tmp_path / "teachers" / "words.npy").stat().st_mtime_ns

    first = written()
    assert written(weight=0.1) == first
    assert written(temperature=1) > first


def test_learner_comes_closer_to_its_teacher(
    tuning_recipe: Path, tiny_checkpoint: Path, other_captioner: Captioner, tmp_path: Path
) -> None:
    """Closer than one that learns people's words, from the same start in as many steps."""
    start = save(tiny_checkpoint.parent / "other", CAPTIONING, other_captioner, name="other", metrics={}, card="").path

    def distance(weight: float) -> float:
        teachers = f"distillation={{teachers = ['{tiny_checkpoint}'], weight = {weight}}}"
        fixed = [f"start={start}", f"run={tmp_path / str(weight)}", "training.dropout=0", "training.epochs=100"]
        trainer = Trainer(TuningRecipe.read(tuning_recipe, [teachers, *fixed, "training.learning_rate=0.01"]), Tuning)
        objective = trainer.objective
        assert isinstance(objective, Tuning)
        assert objective.teaching is not None
        train(trainer, 12)
        tokens, _ = collate(objective.examples[:5])  # of the first picture
        captioner = trainer.model.eval()
        with torch.inference_mode():
            grid = next(read_pictures(captioner, objective.pictures, 1))
            memory = captioner.decoder.encode_source(grid).take(torch.zeros(5).int())
            logits, _ = captioner.decoder.teacher_forcing(memory, tokens)
            return float(expected_loss(logits, objective.teaching.expected(range(5), tokens.shape[1], CPU)))

    assert distance(1.0) < 0.8 * distance(1e-6)


def test_teacher_with_other_words_is_refused(tiny_recipe: Path, tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="has other words than the learner"):
        Trainer(CrossEntropyRecipe.read(tiny_recipe, [f"distillation.teachers=['{tiny_checkpoint}']"]), CrossEntropy)


def test_decoder_over_a_frozen_encoder_has_teachers_too(tiny_recipe: Path, tmp_path: Path) -> None:
    first = Trainer(CrossEntropyRecipe.read(tiny_recipe), CrossEntropy)
    teacher = save(tmp_path / "teacher", CAPTIONING, first.model, name="teacher", metrics={}, card="").path
    told = [f"distillation.teachers=['{teacher}']", f"run={tmp_path}/taught", "training.epochs=10"]
    trainer = Trainer(CrossEntropyRecipe.read(tiny_recipe, told), CrossEntropy)
    losses = train(trainer, 24)
    assert sum(losses[-8:]) < sum(losses[:8])
