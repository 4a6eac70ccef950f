"""The loop, for every objective: it resumes to the bit, stops when told, and is shared among processes."""

import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from model.checkpoint import Checkpoint, file_sha256
from model.figures import Figure, figures_of
from tests.forks import begin
from tests.training.conftest import Finished, RecipeOf, folders, kill_once, open_trainer, run_command, train
from training.run_state import StateError
from training.tasks import TASKS
from training.trainer import Trainer, Validation

OBJECTIVES = [name for task in TASKS.values() for name in task.objectives]
STEPS = 4

every_objective = pytest.mark.parametrize("objective", OBJECTIVES)


def interrupt(trainer: Trainer[Any, Any], step: int, number: int) -> None:
    """Sends this process a signal as soon as the run has come to a step."""
    updates: Callable[..., Iterator[dict[str, float]]] = trainer.objective.updates

    def interrupted(*arguments: Any) -> Iterator[dict[str, float]]:
        for figures in updates(*arguments):
            if trainer.progress.step + 1 == step:
                os.kill(os.getpid(), number)
            yield figures

    trainer.objective.updates = interrupted  # type: ignore[assignment, method-assign]


@pytest.mark.usefixtures("no_java")
@every_objective
def test_interrupted_run_resumes_to_the_bit(
    recipe_of: RecipeOf, finished: Finished, objective: str, tmp_path: Path
) -> None:
    path = recipe_of(objective)
    whole = finished(path)
    killed, stopped = (folders(path, tmp_path / name) for name in ("killed", "stopped"))
    command = ("train", "--config", str(path), *(f"--set={option}" for option in killed))

    state = tmp_path / "killed" / "run" / "state.safetensors"
    kill_once(state, *command)
    assert not (tmp_path / "killed" / "checkpoint").exists()
    assert run_command(*command, "--resume") == 0
    first, second = (folder / "model.safetensors" for folder in (tmp_path / "killed" / "checkpoint", whole.output))
    assert file_sha256(first) == file_sha256(second)

    trainer = open_trainer(path, stopped)
    last = trainer.objective.updates_per_epoch  # the epoch's last update: only the validation is left
    interrupt(trainer, last, signal.SIGINT)
    assert trainer.run() is False
    assert (trainer.progress.epoch, trainer.progress.done, trainer.progress.step) == (0, last, last)
    assert open_trainer(path, stopped, resume=True).run()

    for name in ("state", "best"):  # the last step's weights, averages and moments; the weights that are published
        expected = load_file(whole.run / f"{name}.safetensors")
        for folder in ("killed", "stopped"):
            found = load_file(tmp_path / folder / "run" / f"{name}.safetensors")
            assert found.keys() == expected.keys()
            for key, tensor in expected.items():
                assert torch.equal(found[key], tensor), (folder, name, key)


@pytest.mark.usefixtures("no_java")
@every_objective
def test_loss_that_is_no_number_ends_the_run(
    recipe_of: RecipeOf, objective: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("train", "--config", str(recipe_of(objective)), "--set", "training.learning_rate=1e30") == 1
    errors = capsys.readouterr().err
    assert "recap-train: step " in errors
    assert re.search("the loss is (nan|inf); lower training.learning_rate", errors)


@every_objective
def test_figures_are_published_with_the_first_one_chosen_by(
    recipe_of: RecipeOf, finished: Finished, objective: str
) -> None:
    recipe = finished(recipe_of(objective))
    checkpoint = Checkpoint.open(recipe.output)
    figures = figures_of(checkpoint.metrics)
    first = {
        "captioning": ("CIDEr", True),
        "text": ("bits_per_character", False),
        "intents": ("score", True),
        "translation": ("BLEU", True),
        "transcription": ("word_error_rate", False),
        "forecasting": ("log_variance_rmse", False),
    }
    expected = first[recipe.task]
    assert (figures[0].name, figures[0].higher_is_better) == expected
    assert {figure.split for figure in figures} <= {"dev", "test"}
    assert checkpoint.metrics["recipe"]["objective"] == objective
    for figure in figures:
        assert figure.label in checkpoint.card
    assert TASKS[recipe.task].objectives[objective].recipe.model_validate(checkpoint.metrics["recipe"]) == recipe


@every_objective
def test_run_is_neither_overwritten_nor_mixed_with_another(
    recipe_of: RecipeOf, finished: Finished, objective: str
) -> None:
    path = recipe_of(objective)
    own = folders(path, finished(path).run.parent)
    with pytest.raises(StateError, match="a run is there already; go on with --resume"):
        open_trainer(path, own)
    with pytest.raises(StateError, match="of another recipe"):
        open_trainer(path, [*own, "training.epochs=4"], resume=True)


@pytest.mark.parametrize(("higher_is_better", "epochs"), [(True, 5), (False, 3)])
def test_training_stops_when_dev_no_longer_improves(text_recipe: Path, higher_is_better: bool, epochs: int) -> None:
    """The score is 1, 2, 3, 3, 3, ...: best in the third epoch, or in the first."""
    trainer = open_trainer(text_recipe, ["training.epochs=8", "training.patience=2"])
    values = iter([1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0])

    def validate(model: Any) -> Validation:
        value = next(values)
        return Validation([Figure(name="x", label="x", value=value, split="dev", higher_is_better=higher_is_better)])

    trainer.objective.validate = validate  # type: ignore[method-assign]
    assert trainer.run()
    assert trainer.progress.epoch == epochs
    assert trainer.progress.best_epoch == (2 if higher_is_better else 0)


def test_score_that_is_no_number_ends_the_run(text_recipe: Path) -> None:
    trainer = open_trainer(text_recipe)

    def validate(model: Any) -> Validation:
        return Validation([Figure(name="x", label="x", value=float("nan"), split="dev", higher_is_better=True)])

    trainer.objective.validate = validate  # type: ignore[method-assign]
    with pytest.raises(FloatingPointError, match=r"^epoch 1: x on dev is nan; lower training\.learning_rate$"):
        trainer.run()
    assert not trainer.best_path.exists()


def test_interrupted_validation_is_finished_and_nothing_published(text_recipe: Path) -> None:
    trainer = open_trainer(text_recipe, ["training.epochs=1"])
    validate = trainer.objective.validate

    def interrupted(model: Any) -> Validation:
        os.kill(os.getpid(), signal.SIGTERM)
        return validate(model)

    trainer.objective.validate = interrupted  # type: ignore[method-assign]
    assert trainer.run() is False
    resumed = open_trainer(text_recipe, ["training.epochs=1"], resume=True)
    assert (resumed.progress.epoch, resumed.progress.best_epoch) == (1, 0)
    assert resumed.run()


def test_schedule_starts_again_in_each_cycle(text_recipe: Path, tmp_path: Path) -> None:
    once = open_trainer(text_recipe, ["training.epochs=1"])
    steps = once.objective.updates_per_epoch
    train(once, steps)
    twice = open_trainer(text_recipe, ["training.cycles=2", f"run={tmp_path / 'twice'}"])
    rates = []
    for _ in range(2):
        for _ in twice.updates():
            rates.append(twice.optimizer.param_groups[0]["lr"])
            if twice.progress.step == steps:  # a cycle is the whole run of one epoch
                for name, parameter in once.model.state_dict().items():
                    assert torch.equal(twice.model.state_dict()[name], parameter), name
        twice.progress.epoch, twice.progress.done = 1, 0
    assert rates[:steps] == rates[steps:]
    assert max(rates) == pytest.approx(0.02)
    assert rates[-1] < 0.001


def learn(folder: Path, names: list[str]) -> None:
    """Trains each objective for a few steps; the work of one of two processes."""
    figures = {}
    for name in names:
        trainer = open_trainer(folder / f"{name}.toml", json.loads((folder / f"{name}.json").read_text()))
        figures[name] = train(trainer, STEPS)
        trainer.save()
    assert trainer.accelerator.num_processes == 2
    if trainer.accelerator.is_main_process:
        (folder / "figures.json").write_text(json.dumps(figures))
    trainer.accelerator.end_training()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_java")
def test_two_processes_learn_as_one_does(recipe_of: RecipeOf, tmp_path: Path) -> None:
    """All objectives in one start, which takes the longest. A batch of 7 pictures is shared as 4 and 3.

    In reinforcement, each picture's captions are drawn as if it were alone.
    """
    still = ["training.precision=no", "training.dropout=0"]
    slow = ["training.learning_rate=2e-4", "training.encoder_learning_rate=1e-4"]  # large steps make last bits matter
    queries = ["model.dropout=0", "training.word_dropout=0", "training.mixtures=0"]
    given = {
        "cross-entropy": ["training.precision=no", "decoder.dropout=0", "features.views=1"],
        "self-critical": still,
        "tuning": [*still, *slow, "training.attention_penalty=0", "training.label_smoothing=0"],
        "tagging": ["training.precision=no"],
        "mixture": ["training.precision=no", "decoder.dropout=0", *slow[:1]],
        "running-text": ["training.precision=no", "model.dropout=0", "training.k1=8", "training.k2=24"],
        "classification": ["training.precision=no", *queries],
        "parallel-text": ["training.precision=no", "model.dropout=0", "subwords.dropout=0", "training.invented=0"],
        "ctc": ["training.precision=no", "model.dropout=0", "augmentation.bands=0", "augmentation.frames=0"],
        "likelihood": ["training.precision=no", "model.dropout=0", "training.learning_rate=1e-3"],
    }
    assert given.keys() == set(OBJECTIVES)
    alone, folder, states = {}, tmp_path / "together", {}
    folder.mkdir()
    for name, options in given.items():
        trainer = open_trainer(recipe_of(name), [*options, f"run={tmp_path}/alone/{name}"])
        alone[name] = train(trainer, STEPS)
        states[name] = trainer.objective.state()
        shutil.copy(recipe_of(name), folder / f"{name}.toml")
        (folder / f"{name}.json").write_text(json.dumps([*options, f"run={folder}/{name}"]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "1"}
    processes = [begin(learn, folder, list(given), RANK=rank, LOCAL_RANK=rank, **told) for rank in "01"]  # as torchrun
    try:
        for process in processes:
            process.join(200)
        assert [process.exitcode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    together = json.loads((folder / "figures.json").read_text())
    assert together.keys() == alone.keys()
    for name, figures in alone.items():
        assert together[name] == pytest.approx(figures, abs=1e-4), name
        assert len(set(figures)) > 1, name
    saved = load_file(folder / "running-text" / "state.safetensors")
    for name, tensor in states["running-text"].items():  # of the streams of both processes
        torch.testing.assert_close(saved[f"objective.{name}"], tensor, rtol=1e-3, atol=1e-4)
