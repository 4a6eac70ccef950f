"""What all stages of a captioner share: several processes learn together what one learns alone."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import begin, train
from training.recipe import CaptionerRecipe, SelfCriticalRecipe, StageRecipe, TuningRecipe
from training.tasks.captioning.cross_entropy import CaptionerTrainer
from training.tasks.captioning.self_critical import SelfCriticalTrainer
from training.tasks.captioning.tuning import TuningTrainer
from training.trainer import Stage

STEPS = 4
STAGES: dict[str, tuple[type[Stage[Any, Any]], type[StageRecipe]]] = {
    "captioning": (CaptionerTrainer, CaptionerRecipe),
    "selfcritical": (SelfCriticalTrainer, SelfCriticalRecipe),
    "tuning": (TuningTrainer, TuningRecipe),
}


def learn(folder: Path) -> None:
    """What each of the two processes does."""
    figures = {}
    for name, (trainer, recipe) in STAGES.items():
        stage = trainer(recipe.model_validate_json((folder / f"{name}.json").read_text()))
        figures[name] = train(stage, STEPS)
    assert stage.accelerator.num_processes == 2
    if stage.accelerator.is_main_process:
        (folder / "figures.json").write_text(json.dumps(figures))
    stage.accelerator.end_training()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_java")
def test_two_processes_learn_as_one_does(
    tiny_recipe: Path, selfcritical_recipe: Path, tuning_recipe: Path, tmp_path: Path
) -> None:
    """All stages in one start, which takes the longest. A batch of 7 pictures is shared as 4 and 3.

    In reinforcement, each picture's captions are drawn as if it were alone.
    """
    still = ["training.precision=no", "training.dropout=0"]
    slow = ["training.learning_rate=2e-4", "training.encoder_learning_rate=1e-4"]  # large steps make last bits matter
    given: dict[str, tuple[Path, list[str]]] = {
        "captioning": (tiny_recipe, ["training.precision=no", "decoder.dropout=0", "features.views=1"]),
        "selfcritical": (selfcritical_recipe, still),
        "tuning": (tuning_recipe, [*still, *slow, "training.attention_penalty=0", "training.label_smoothing=0"]),
    }
    alone, folder = {}, tmp_path / "together"
    folder.mkdir()
    for name, (path, options) in given.items():
        trainer, recipe = STAGES[name]
        alone[name] = train(trainer(recipe.read(path, [*options, f"run={tmp_path}/alone/{name}"])), STEPS)
        shared = recipe.read(path, [*options, f"run={folder}/{name}"])
        (folder / f"{name}.json").write_text(shared.model_dump_json())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "1"}
    processes = [begin(learn, folder, RANK=rank, LOCAL_RANK=rank, **told) for rank in "01"]  # as torchrun says it
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
