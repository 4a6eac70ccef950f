"""Language model training from text to checkpoint: it learns, resumes to the bit, and says what is wrong."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from typer.testing import CliRunner

from model.checkpoint import Checkpoint, CheckpointError, file_sha256, save
from model.tasks.text import TEXT
from tests.training.conftest import kill_once
from training.cli import app
from training.recipe import LanguageRecipe, RecipeError
from training.run_state import StateError
from training.tasks.captioning.readers import DataError
from training.tasks.text.objective import LanguageTrainer, streams
from training.tasks.text.score import TextScore, evaluate_text

WORDS = ("to", "be", "or", "not", "that", "is", "the", "question")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe for 12,000 characters of eight words in random order: 2 epochs of 20 steps."""
    chosen = torch.randint(len(WORDS), (2600,), generator=torch.Generator().manual_seed(0)).tolist()
    (tmp_path / "input.txt").write_text(" ".join(WORDS[number] for number in chosen) + "\n☃☃")
    path = tmp_path / "tiny.toml"
    path.write_text(f"""
name = "tiny"
output = "{tmp_path / "checkpoint"}"
run = "{tmp_path / "run"}"
[data]
path = "{tmp_path / "input.txt"}"
validation = 0.2
test = 0.1
[model]
hidden_size = 24
num_layers = 2
dropout = 0.2
[training]
epochs = 2
batch_size = 12
k1 = 32
k2 = 32
warmup_steps = 2
learning_rate = 0.02
ema_decay = 0.9
save_every = 7
sample_tokens = 20
""")
    return path


def test_killed_and_resumed_it_ends_with_the_same_weights_to_the_bit(recipe: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    options = [f"--set=run={killed}/run", f"--set=output={killed}/checkpoint"]
    state = killed / "run" / "state.safetensors"
    kill_once(state, "language", "--config", str(recipe), *options)
    assert not (killed / "checkpoint").exists()
    for arguments in (["--resume", *options], []):
        told = CliRunner().invoke(app, ["language", "--config", str(recipe), *arguments])
        assert told.exit_code == 0, told.output

    weights = "model.safetensors"
    assert file_sha256(killed / "checkpoint" / weights) == file_sha256(tmp_path / "checkpoint" / weights)
    ours, theirs = load_file(state), load_file(tmp_path / "run" / "state.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name

    checkpoint = Checkpoint.open(tmp_path / "checkpoint")
    assert checkpoint.task is TEXT
    figures = checkpoint.metrics["validation"]
    assert figures["nats_per_character"] < 2.4  # after forty steps; a uniform guess costs ln 18 = 2.89
    assert checkpoint.metrics["test"]["unknown"] == 3  # the line break and the snowmen at its end
    again = evaluate_text(tmp_path / "checkpoint", tmp_path / "input.txt", "validation")
    assert again["nats_per_character"] == pytest.approx(figures["nats_per_character"])
    card = (tmp_path / "checkpoint" / "README.md").read_text()
    assert f"| validation | {figures['nats_per_character']:.4f} |" in card


@pytest.mark.parametrize(("k1", "k2"), [(32, 32), (8, 24), (24, 8)])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(recipe: Path, tmp_path: Path, k1: int, k2: int) -> None:
    def read(folder: str) -> LanguageRecipe:
        options = [f"training.k1={k1}", f"training.k2={k2}", "training.epochs=1", f"run={tmp_path / folder}"]
        return LanguageRecipe.read(recipe, options)

    whole = LanguageTrainer(read("whole"))
    assert whole.run()

    stopped = LanguageTrainer(read("stopped"))
    epoch = stopped._epoch

    def interrupted(inputs: Tensor, targets: Tensor) -> Iterator[Tensor]:
        for loss in epoch(inputs, targets):
            if stopped.progress.step == 5:
                os.kill(os.getpid(), signal.SIGINT)
            yield loss

    stopped._epoch = interrupted  # type: ignore[method-assign]
    assert stopped.run() is False
    resumed = LanguageTrainer(read("stopped"), resume=True)
    assert (resumed.progress.step, resumed.progress.end) == (5, 5 * k1)
    assert resumed.run()
    for name, parameter in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], parameter), name


@pytest.mark.parametrize("cell", ["gru", "lstm-cifg"])
def test_other_cells_and_words_learn(recipe: Path, cell: str) -> None:
    options = [f"model.cell={cell}", "model.unit=word", "model.embedding_size=8", "training.k1=16", "training.k2=16"]
    trainer = LanguageTrainer(LanguageRecipe.read(recipe, [*options, "training.batch_size=4"]))
    first = trainer._forward(trainer.tokens[None, :100], None)[0].shape
    assert first == (1, 100, len(trainer.model.vocabulary))
    assert trainer.run()
    assert trainer.progress.best_score < 2.5  # nats a word; the source has ln 8 = 2.08, a uniform guess costs 2.6


def test_streams_are_the_text_cut_elsewhere_in_each_epoch() -> None:
    tokens = torch.arange(103)
    inputs, targets = streams(tokens, 5, seed=1, epoch=0)
    assert inputs.shape == targets.shape == (5, 20)
    assert torch.equal((inputs + 1) % 103, targets)
    assert torch.equal(inputs[1:, 0], (inputs[:-1, -1] + 1) % 103)
    assert torch.equal(inputs, streams(tokens, 5, seed=1, epoch=0)[0])
    assert not torch.equal(inputs, streams(tokens, 5, seed=1, epoch=1)[0])


def test_a_run_is_not_overwritten_by_mistake(recipe: Path) -> None:
    trainer = LanguageTrainer(LanguageRecipe.read(recipe))
    trainer._save()
    with pytest.raises(StateError, match="a run is there already; go on with --resume"):
        LanguageTrainer(LanguageRecipe.read(recipe))
    with pytest.raises(StateError, match="another recipe"):
        LanguageTrainer(LanguageRecipe.read(recipe, ["training.epochs=3"]), resume=True)


def test_cycles_share_the_epochs(recipe: Path) -> None:
    with pytest.raises(RecipeError, match="cycles=3: epochs=2 can't be shared among them evenly"):
        LanguageRecipe.read(recipe, ["training.cycles=3"])


def test_an_interrupted_validation_is_finished_and_nothing_published(recipe: Path) -> None:
    trainer = LanguageTrainer(LanguageRecipe.read(recipe, ["training.epochs=1"]))
    validated = trainer._validate

    def interrupted(writer: SummaryWriter) -> TextScore:
        os.kill(os.getpid(), signal.SIGINT)
        return validated(writer)

    trainer._validate = interrupted  # type: ignore[method-assign]
    assert trainer.run() is False
    resumed = LanguageTrainer(LanguageRecipe.read(recipe, ["training.epochs=1"]), resume=True)
    assert (resumed.progress.epoch, resumed.progress.best_epoch) == (1, 0)
    assert resumed.run()


def test_too_short_a_text_is_an_error(recipe: Path) -> None:
    with pytest.raises(DataError, match=r"are too few for 999 streams of 32; lower training\.batch_size"):
        LanguageTrainer(LanguageRecipe.read(recipe, ["training.batch_size=999"]))


def test_a_text_has_only_the_parts_it_was_cut_into(recipe: Path, tmp_path: Path) -> None:
    trainer = LanguageTrainer(LanguageRecipe.read(recipe))
    values = LanguageRecipe.read(recipe, ["data.test=0"]).model_dump(mode="json")
    save(tmp_path / "untrained", TEXT, trainer.model, name="untrained", metrics={"recipe": values}, card="")
    with pytest.raises(DataError, match=r"split=test: the text has train, validation$"):
        evaluate_text(tmp_path / "untrained", tmp_path / "input.txt", "test")


def test_a_checkpoint_that_does_not_say_how_its_text_was_cut_is_told(recipe: Path, tmp_path: Path) -> None:
    trainer = LanguageTrainer(LanguageRecipe.read(recipe))
    save(tmp_path / "untrained", TEXT, trainer.model, name="untrained", metrics={}, card="")
    with pytest.raises(CheckpointError, match=r"metrics\.json: recipe\.data does not say how the text was cut"):
        evaluate_text(tmp_path / "untrained", tmp_path / "input.txt", "test")


def test_the_schedule_starts_again_in_each_cycle(recipe: Path, tmp_path: Path) -> None:
    once = LanguageTrainer(LanguageRecipe.read(recipe, ["training.epochs=1"]))
    assert once.run()
    twice = LanguageTrainer(LanguageRecipe.read(recipe, ["training.cycles=2", f"run={tmp_path / 'twice'}"]))
    rates = []
    updated = twice._update

    def noted() -> None:
        updated()
        rates.append(twice.optimizer.param_groups[0]["lr"])
        if twice.progress.step == twice.steps_per_epoch:  # a cycle is the whole run of one epoch
            for name, parameter in once.model.state_dict().items():
                assert torch.equal(twice.model.state_dict()[name], parameter), name

    twice._update = noted  # type: ignore[method-assign]
    assert twice.run()
    assert rates[: twice.steps_per_epoch] == rates[twice.steps_per_epoch :]
    assert max(rates) == pytest.approx(0.02)
    assert rates[-1] < 0.001
