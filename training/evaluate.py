"""Checkpoints of any task, scored on a split of a data set."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.checkpoint import Checkpoint, CheckpointError
from training.device import available_device
from training.files import write_text
from training.task import Evaluation
from training.tasks import TASKS


def evaluate(checkpoints: Sequence[Path], data: Path, split: str = "dev", **options: Any) -> Evaluation:
    """Scores a checkpoint by its task's own measures, on a GPU if there is one.

    Args:
        checkpoints: one folder, or several if the task takes several.
        data: the data set: a folder, or a file.
        split: `train`, `dev` or `test`.
        options: the task's own, see `TaskTraining.options`; None and False mean not given.

    Raises:
        CheckpointError: a checkpoint is missing or damaged, or of a task that has no such option.
        TrainingError: the data set is missing, broken or lacks the split, or scoring failed.
    """
    checkpoint = Checkpoint.open(checkpoints[0])
    task = TASKS[checkpoint.task.name]
    given = {name: value for name, value in options.items() if value}
    asked = [*given, *(["checkpoints"] if len(checkpoints) > 1 else [])]
    for name in (name for name in asked if name not in task.options):
        flag, owner = next((other.options[name], other) for other in TASKS.values() if name in other.options)
        raise CheckpointError(f"{flag}: is for {owner.task.name}; {checkpoint.path} is {checkpoint.task.a_noun}")
    return task.evaluate(checkpoints, data, split, device=available_device(), **given)


def write_json(report: Mapping[str, Any], path: Path) -> None:
    """Writes a report as JSON to a file, which is whole or not there, or to standard output if the path is `-`.

    Raises:
        DataError: the file can't be written.
    """
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(path, text)
