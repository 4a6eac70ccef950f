"""Checkpoints on disk to models in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import torch

from app.settings import Device
from model.checkpoint import CaptionerCheckpoint, Checkpoint, CheckpointError, LanguageCheckpoint

AnyCheckpoint = CaptionerCheckpoint | LanguageCheckpoint
C = TypeVar("C", bound=Checkpoint)

PREFERRED: dict[type[Checkpoint], str] = {CaptionerCheckpoint: "flickr8k", LanguageCheckpoint: "shakespeare"}
NOUNS: dict[type[Checkpoint], str] = {CaptionerCheckpoint: "captioner", LanguageCheckpoint: "language model"}


class UnknownModelError(LookupError):
    """No model of the kind that is needed has that name; the message names those there are."""


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
    """The checkpoints of a folder, by name, and for each kind the name that stands for none."""

    checkpoints: dict[str, AnyCheckpoint]
    defaults: dict[type[Checkpoint], str]

    @classmethod
    def open(cls, folder: Path, default: str | None = None, default_text: str | None = None) -> Self:
        """Reads the description of every checkpoint in `folder`; weights come with the checkpoints' `load`.

        Args:
            folder: its sub-folders are the checkpoints, of one kind or of several.
            default: name of the default captioner; None: `flickr8k` if it is there, else the first by name.
            default_text: name of the default language model; None: `shakespeare` if it is there, else the first.

        Raises:
            CheckpointError: there is no such folder, no checkpoint in it, one that is broken, or a default that is not
                there; says which and why.
        """
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no such folder; it should hold a sub-folder for each checkpoint")
        checkpoints: dict[str, AnyCheckpoint] = {}
        for path in sorted(folder.iterdir()):
            if not path.is_dir() or path.name.startswith("."):  # one that is being written, or an editor's
                continue
            checkpoint = Checkpoint.open(path)
            twin = checkpoints.setdefault(checkpoint.name, checkpoint)
            if twin is not checkpoint:
                raise CheckpointError(f"{path} and {twin.path} are both named {checkpoint.name}")
        if not checkpoints:
            raise CheckpointError(f"{folder}: no checkpoint in it; a checkpoint is a sub-folder with a config.json")
        defaults: dict[type[Checkpoint], str] = {}
        for setting, kind, name in (
            ("default_model", CaptionerCheckpoint, default),
            ("default_text_model", LanguageCheckpoint, default_text),
        ):
            names = _names(checkpoints, kind)
            if name is not None and name not in names:
                known = f"{NOUNS[kind]}s: {', '.join(names)}" if names else f"no {NOUNS[kind]}"
                raise CheckpointError(f"{setting}={name}: {folder} has {known}")
            if names:
                defaults[kind] = name or (PREFERRED[kind] if PREFERRED[kind] in names else names[0])
        return cls(checkpoints, defaults)

    def is_default(self, checkpoint: Checkpoint) -> bool:
        """Whether it answers when a request names no model."""
        return self.defaults[type(checkpoint)] == checkpoint.name

    def find(self, kind: type[C], name: str | None) -> C:
        """The checkpoint of that kind and name, or the default one.

        Raises:
            UnknownModelError: there is none, or it is of another kind.
        """
        names = _names(self.checkpoints, kind)
        known = f"there is {', '.join(names)}" if names else f"no {NOUNS[kind]} is here"
        if name is None and not names:
            raise UnknownModelError(known)
        checkpoint = self.checkpoints.get(self.defaults[kind] if name is None else name)
        if checkpoint is None:
            raise UnknownModelError(f"there is no model {str(name)[:100]!r}; {known}")
        if not isinstance(checkpoint, kind):
            raise UnknownModelError(f"{name} is a {NOUNS[type(checkpoint)]}, a {NOUNS[kind]} is needed; {known}")
        return checkpoint


def _names(checkpoints: Mapping[str, Checkpoint], kind: type[Checkpoint]) -> list[str]:
    """Those of a kind, in alphabetical order."""
    return sorted(name for name, checkpoint in checkpoints.items() if isinstance(checkpoint, kind))
