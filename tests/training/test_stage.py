"""What all stages of a captioner share: several processes learn together what one learns alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import train
from training.captioning import CaptionerTrainer
from training.recipe import CaptionerRecipe, SelfCriticalRecipe, StageRecipe, TuningRecipe
from training.selfcritical import SelfCriticalTrainer
from training.stage import Stage
from training.tuning import TuningTrainer

STEPS = 6
STAGES: dict[str, tuple[type[Stage[Any, Any]], type[StageRecipe]]] = {
    "captioning": (CaptionerTrainer, CaptionerRecipe),
    "selfcritical": (SelfCriticalTrainer, SelfCriticalRecipe),
    "tuning": (TuningTrainer, TuningRecipe),
}

SCRIPT = """
import json
from pathlib import Path
import torch
from tests.training.conftest import train
from tests.training.test_stage import STAGES, STEPS
torch.set_num_threads(1)
folder, figures = Path(__file__).parent, {}
for name, (trainer, recipe) in STAGES.items():
    stage = trainer(recipe.model_validate_json((folder / f"{name}.json").read_text()))
    figures[name] = train(stage, STEPS)
if stage.accelerator.is_main_process:
    (folder / "figures.json").write_text(json.dumps(figures))
stage.accelerator.end_training()
"""


def test_two_processes_learn_as_one_does(
    tiny_recipe: Path, selfcritical_recipe: Path, tuning_recipe: Path, tmp_path: Path
) -> None:
    """All stages in one start, which takes the longest. A batch of 7 pictures is shared as 4 and 3.

    In reinforcement, each picture's captions are drawn as if it were alone.
    """
    still = ["training.precision=no", "training.dropout=0"]
    given: dict[str, tuple[Path, list[str]]] = {
        "captioning": (tiny_recipe, ["training.precision=no", "decoder.dropout=0", "features.views=1"]),
        "selfcritical": (selfcritical_recipe, still),
        "tuning": (tuning_recipe, [*still, "training.attention_penalty=0", "training.label_smoothing=0"]),
    }
    alone, folder = {}, tmp_path / "together"
    folder.mkdir()
    (folder / "learn.py").write_text(SCRIPT)
    for name, (path, options) in given.items():
        trainer, recipe = STAGES[name]
        alone[name] = train(trainer(recipe.read(path, [*options, f"run={tmp_path}/alone/{name}"])), STEPS)
        shared = recipe.read(path, [*options, f"run={folder}/{name}"])
        (folder / f"{name}.json").write_text(shared.model_dump_json())
    launch = ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    subprocess.run(
        [sys.executable, "-m", *launch, folder / "learn.py"],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=True,
        timeout=150,
    )
    together = json.loads((folder / "figures.json").read_text())
    assert together.keys() == alone.keys()
    for name, figures in alone.items():
        assert together[name] == pytest.approx(figures, abs=1e-4), name
        assert len(set(figures)) > 1, name
