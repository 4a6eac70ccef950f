"""Running text: language models learn it, resume in the midst of it, and are told when it is too short."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, CheckpointError, save
from model.tasks.text import TEXT
from tests.training.conftest import Finished, train
from training.data.base import DataError
from training.recipe import RecipeError
from training.tasks.text.recipe import RunningTextRecipe
from training.tasks.text.running_text import RunningText, streams
from training.tasks.text.score import evaluate
from training.trainer import Trainer


def test_checkpoint_scores_as_its_metrics_say(text_recipe: Path, text: Path, finished: Finished) -> None:
    checkpoint = Checkpoint.open(finished(text_recipe).output)
    assert checkpoint.task is TEXT
    scores = checkpoint.metrics["dev"]
    assert scores["nats_per_character"] < 2.4  # after forty steps; a uniform guess costs ln 18 = 2.89
    assert checkpoint.metrics["test"]["unknown"] == 3  # the line break and the snowmen at its end
    again = evaluate([checkpoint.path], text, "dev").report
    assert again["nats_per_character"] == pytest.approx(scores["nats_per_character"])
    for split in ("dev", "test"):
        found = checkpoint.metrics[split]
        assert (
            f"\n| {split} | {found['bits_per_character']:.4f} | {found['nats_per_character']:.4f} |" in checkpoint.card
        )
    assert "\n| split | bits per character | nats per character |\n|---|---|---|\n| dev |" in checkpoint.card


@pytest.mark.parametrize(("k1", "k2"), [(32, 32), (8, 24), (24, 8)])
def test_run_resumes_wherever_the_gradient_ends(text_recipe: Path, tmp_path: Path, k1: int, k2: int) -> None:
    def read(folder: str) -> RunningTextRecipe:
        options = [f"training.k1={k1}", f"training.k2={k2}", "training.epochs=1", f"run={tmp_path / folder}"]
        return RunningTextRecipe.read(text_recipe, options)

    whole = Trainer(read("whole"), RunningText)
    assert whole.run()

    stopped = Trainer(read("stopped"), RunningText)
    train(stopped, 5)
    stopped.save()
    resumed = Trainer(read("stopped"), RunningText, resume=True)
    assert (resumed.progress.step, resumed.progress.done) == (5, 5)
    assert resumed.run()
    for name, parameter in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], parameter), name


@pytest.mark.parametrize("cell", ["gru", "lstm-cifg"])
def test_other_cells_and_words_learn(text_recipe: Path, cell: str) -> None:
    options = [f"model.cell={cell}", "model.unit=word", "model.embedding_size=8", "training.k1=16", "training.k2=16"]
    trainer = Trainer(RunningTextRecipe.read(text_recipe, [*options, "training.batch_size=4"]), RunningText)
    assert trainer.run()
    assert trainer.progress.best_score is not None
    assert trainer.progress.best_score < 12.2  # perplexity; the source has 8, a uniform guess 13


def test_streams_are_the_text_cut_elsewhere_in_each_epoch() -> None:
    tokens = torch.arange(103)
    inputs, targets = streams(tokens, 5, seed=1, epoch=0)
    assert inputs.shape == targets.shape == (5, 20)
    assert torch.equal((inputs + 1) % 103, targets)
    assert torch.equal(inputs[1:, 0], (inputs[:-1, -1] + 1) % 103)
    assert torch.equal(inputs, streams(tokens, 5, seed=1, epoch=0)[0])
    assert not torch.equal(inputs, streams(tokens, 5, seed=1, epoch=1)[0])


def test_cycles_share_the_epochs(text_recipe: Path) -> None:
    with pytest.raises(RecipeError, match="cycles=3: epochs=2 can't be shared among them evenly"):
        RunningTextRecipe.read(text_recipe, ["training.cycles=3"])


def test_too_short_a_text_is_an_error(text_recipe: Path) -> None:
    with pytest.raises(DataError, match=r"are too few for 999 streams of 32; lower training\.batch_size"):
        Trainer(RunningTextRecipe.read(text_recipe, ["training.batch_size=999"]), RunningText)


def test_text_has_only_the_parts_it_was_cut_into(text_recipe: Path, text: Path, tmp_path: Path) -> None:
    recipe = RunningTextRecipe.read(text_recipe, ["data.test=0"])
    model, metrics = Trainer(recipe, RunningText).model, {"recipe": recipe.model_dump(mode="json")}
    path = save(tmp_path / "untrained", TEXT, model, name="untrained", metrics=metrics, card="").path
    for split in ("test", "validation"):
        with pytest.raises(DataError, match=rf"split={split}: the text has train, dev$"):
            evaluate([path], text, split)


def test_checkpoint_of_version_0_1_is_scored_on_the_text_that_it_called_validation(
    text_recipe: Path, text: Path, tmp_path: Path
) -> None:
    recipe = RunningTextRecipe.read(text_recipe)
    model, values = Trainer(recipe, RunningText).model, recipe.model_dump(mode="json")
    values["data"]["validation"] = values["data"].pop("dev")
    path = save(tmp_path / "old", TEXT, model, name="old", metrics={"recipe": values}, card="").path
    report = evaluate([path], text, "dev").report
    assert report["characters"] == pytest.approx(0.2 * len(text.read_text()), abs=1)


def test_checkpoint_that_does_not_say_how_its_text_was_cut_is_an_error(
    text_recipe: Path, text: Path, tmp_path: Path
) -> None:
    model = Trainer(RunningTextRecipe.read(text_recipe), RunningText).model
    path = save(tmp_path / "untrained", TEXT, model, name="untrained", metrics={}, card="").path
    with pytest.raises(CheckpointError, match=r"metrics\.json: recipe\.data does not say how the text was cut"):
        evaluate([path], text, "test")
