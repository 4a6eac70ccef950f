"""Models by name or folder, run by what this machine has: OpenVINO on a CPU, torch elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from app.serving.loading import Loader
from app.serving.registry import Registry
from app.settings import Settings
from app.tasks import PREFERRED
from model.checkpoint import Checkpoint
from model.task import C, M, Task

Parameters = TypeVar("Parameters", bound=BaseModel)


def read_settings(checkpoints: str | Path | None, device: Literal["auto", "cpu", "cuda"] | None) -> Settings:
    """The settings of the `recap` command: what is given here, else RECAP_* variables, else defaults."""
    given = {"checkpoints": checkpoints, "device": device}
    return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def load(settings: Settings, task: Task[C, M], model: str | Path | None) -> tuple[Checkpoint[C, M], M]:
    """A checkpoint and its model.

    Args:
        settings: where the checkpoints are, and where the network runs.
        task: what the model has to be for.
        model: name of a checkpoint, or its folder; None is the task's default.

    Raises:
        CheckpointError: a checkpoint is missing, damaged or of another task.
        LookupError: no checkpoint of the task has that name.
        ValueError: the device is not there.
    """
    if model is not None and Path(model, "config.json").is_file():
        checkpoint = Checkpoint.open(Path(model)).expect(task)
    else:
        registry = Registry.open(settings.checkpoint_folder(), settings.defaults, PREFERRED)
        checkpoint = registry.find(task, None if model is None else str(model))
    return checkpoint, Loader(settings).load(checkpoint)


def configured(defaults: Parameters, given: Mapping[str, Any]) -> Parameters:
    """The checkpoint's parameters, with those that were given in their place.

    Raises:
        TypeError: there is no parameter of that name.
        ValueError: a value is out of its range, or at odds with another; the message names it.
    """
    fields = type(defaults).model_fields
    if unknown := given.keys() - fields.keys():
        raise TypeError(f"{min(unknown)}: no such parameter; there are {', '.join(fields)}")
    try:
        return type(defaults).model_validate({**defaults.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        named = f"{first['loc'][0]}={first['input']!r}: " if first["loc"] else ""
        raise ValueError(f"{named}{what[:1].lower()}{what[1:]}") from None
