"""Checkpoints on disk to models in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from app.settings import Device
from model.captioner import Captioner
from model.checkpoint import Checkpoint, CheckpointError

PREFERRED = "flickr8k"


class UnknownModelError(LookupError):
    """No model has that name; the message names those there are."""


def choose_device(device: Device) -> torch.device:
    """`auto` is CUDA where there is one.

    Raises:
        ValueError: CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("device=cuda: torch finds no CUDA device here; use cpu, or auto")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


@dataclass(frozen=True)
class Registry:
    """The checkpoints of a folder, by name, and the name that stands for none."""

    checkpoints: dict[str, Checkpoint]
    default: str

    @classmethod
    def open(cls, folder: Path, default: str | None = None) -> Self:
        """Reads the description of every checkpoint in `folder`; weights come with `load`.

        Raises:
            CheckpointError: there is no such folder, no checkpoint in it, or one that is broken; says which and why.
        """
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no such folder; it should hold a sub-folder for each checkpoint")
        checkpoints: dict[str, Checkpoint] = {}
        for path in sorted(folder.iterdir()):
            if not path.is_dir() or path.name.startswith("."):  # one that is being written, or an editor's
                continue
            checkpoint = Checkpoint.open(path)
            twin = checkpoints.setdefault(checkpoint.name, checkpoint)
            if twin is not checkpoint:
                raise CheckpointError(f"{path} and {twin.path} are both named {checkpoint.name}")
        if not checkpoints:
            raise CheckpointError(f"{folder}: no checkpoint in it; a checkpoint is a sub-folder with a config.json")
        if default is not None and default not in checkpoints:
            raise CheckpointError(f"default_model={default}: {folder} has {', '.join(sorted(checkpoints))}")
        return cls(checkpoints, default or (PREFERRED if PREFERRED in checkpoints else min(checkpoints)))

    def find(self, name: str | None) -> Checkpoint:
        """The checkpoint of that name, or the default one.

        Raises:
            UnknownModelError: there is none.
        """
        try:
            return self.checkpoints[self.default if name is None else name]
        except KeyError:
            known = ", ".join(sorted(self.checkpoints))
            raise UnknownModelError(f"there is no model {str(name)[:100]!r}; there is {known}") from None

    def load(self, device: torch.device) -> dict[str, Captioner]:
        """Every model, its files verified.

        Raises:
            CheckpointError: a file was changed or cut; says which and how.
        """
        return {name: checkpoint.load(device) for name, checkpoint in self.checkpoints.items()}
