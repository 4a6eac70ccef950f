"""The checkpoints that can be served, by name and by task."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from app.errors import Refusal
from app.settings import Device
from model.checkpoint import Checkpoint, CheckpointError
from model.task import C, M, Task
from model.tasks import TASKS


class UnknownModelError(Refusal, LookupError):
    """No model of the task has that name; the message lists the names that exist."""

    def __init__(self, message: str) -> None:
        super().__init__("unknown_model", message, "model")


def choose_device(device: Device) -> torch.device:
    """The device of a setting; `auto` is CUDA if there is a CUDA device. Without one, `cuda` is a ValueError."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("device=cuda: torch finds no CUDA device here; use cpu, or auto")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


@dataclass(frozen=True)
class Registry:
    """The checkpoints of a folder, by name, and the default of each task."""

    checkpoints: dict[str, Checkpoint[Any, Any]]
    defaults: dict[str, str]
    """Task -> name of the checkpoint that answers when a request names none."""

    @classmethod
    def open(
        cls, folder: Path, defaults: Mapping[str, str] | None = None, preferred: Mapping[str, str] | None = None
    ) -> Self:
        """Reads the description of every checkpoint in `folder`; weights come with the checkpoints' `load`.

        Args:
            folder: its sub-folders are the checkpoints, of any tasks.
            defaults: task -> name of its default checkpoint, which has to exist.
            preferred: the same where `defaults` has none, if it exists. Other tasks' default is the first by name.

        Raises:
            CheckpointError: there is no such folder, no checkpoint in it, a broken one, or none that `defaults` names.
        """
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no such folder; it should hold a sub-folder for each checkpoint")
        checkpoints: dict[str, Checkpoint[Any, Any]] = {}
        for path in sorted(folder.iterdir()):
            if not path.is_dir() or path.name.startswith("."):  # half written, or an editor's
                continue
            checkpoint = Checkpoint.open(path)
            twin = checkpoints.setdefault(checkpoint.name, checkpoint)
            if twin is not checkpoint:
                raise CheckpointError(f"{path} and {twin.path} are both named {checkpoint.name}")
        if not checkpoints:
            raise CheckpointError(f"{folder}: no checkpoint in it; a checkpoint is a sub-folder with a config.json")
        defaults, preferred = defaults or {}, preferred or {}
        if unknown := defaults.keys() - TASKS.keys():
            raise CheckpointError(f"defaults: {min(unknown)}: no such task; there are {', '.join(TASKS)}")
        chosen = {}
        for task in TASKS.values():
            name = defaults.get(task.name)
            names = _names(checkpoints, task)
            if name is not None and name not in names:
                known = f"{task.noun}s: {', '.join(names)}" if names else f"no {task.noun}"
                raise CheckpointError(f"defaults: {task.name}={name}: {folder} has {known}")
            if names:
                usual = preferred.get(task.name)
                chosen[task.name] = name or (usual if usual in names else names[0])
        return cls(checkpoints, chosen)

    def find(self, task: Task[C, M], name: str | None) -> Checkpoint[C, M]:
        """The checkpoint of a task by its name, or the task's default if the name is None.

        Raises:
            UnknownModelError: there is none, or it belongs to another task.
        """
        names = _names(self.checkpoints, task)
        known = f"there is {', '.join(names)}" if names else f"no {task.noun} is here"
        if name is None and not names:
            raise UnknownModelError(known)
        checkpoint = self.checkpoints.get(self.defaults[task.name] if name is None else name)
        if checkpoint is None:
            raise UnknownModelError(f"there is no model {str(name)[:100]!r}; {known}")
        if checkpoint.task is not task:
            raise UnknownModelError(f"{name} is {checkpoint.task.a_noun}, {task.a_noun} is needed; {known}")
        return checkpoint

    def get(self, name: str) -> Checkpoint[Any, Any]:
        """The checkpoint of this name, whatever its task; raises what `find` does."""
        if name not in self.checkpoints:
            known = ", ".join(sorted(self.checkpoints))
            raise UnknownModelError(f"there is no model {name[:100]!r}; there is {known}")
        return self.checkpoints[name]


def _names(checkpoints: Mapping[str, Checkpoint[Any, Any]], task: Task[Any, Any]) -> list[str]:
    """The names of a task's checkpoints, in alphabetical order."""
    return sorted(name for name, checkpoint in checkpoints.items() if checkpoint.task is task)
