"""Models by name or folder, run by what this machine has: OpenVINO on a CPU, torch elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ValidationError

from app.serving.loading import Loader
from app.serving.registry import Registry
from app.settings import Settings
from app.tasks import PREFERRED
from model.checkpoint import Checkpoint
from model.task import C, M, Task

Parameters = TypeVar("Parameters", bound=BaseModel)


class Model(Generic[C, M]):
    """A model of a task, ready to use. Do not call it from several threads at the same time."""

    task: ClassVar[Task[Any, Any]]

    def __init__(self, checkpoint: Checkpoint[C, M], network: M, settings: Settings) -> None:
        self.name = checkpoint.name
        self.network = network
        self._settings = settings

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        checkpoints: str | Path | None = None,
        device: Literal["auto", "cpu", "cuda"] | None = None,
    ) -> Self:
        """Loads a checkpoint.

        Where OpenVINO runs the network, torch is set to one thread in the whole process: more would only wait for the
        cores that OpenVINO's threads hold. `torch.set_num_threads` sets it back.

        Args:
            model: name of a checkpoint, or its folder; by default the one that the `recap` command takes.
            checkpoints: folder of the checkpoints; else RECAP_CHECKPOINTS, ./checkpoints, or those of this package.
            device: where the network runs; else RECAP_DEVICE, or `auto`: `cuda` where there is one.

        Raises:
            CheckpointError: a checkpoint is missing, damaged, or of another task.
            LookupError: no model of the task has that name; the message names those there are.
            ValueError: the device is not there.
        """
        given = {"checkpoints": checkpoints, "device": device}
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        if model is not None and Path(model, "config.json").is_file():
            checkpoint = Checkpoint.open(Path(model)).expect(cls.task)
        else:
            registry = Registry.open(settings.checkpoint_folder(), settings.defaults, PREFERRED)
            checkpoint = registry.find(cls.task, None if model is None else str(model))
        return cls(checkpoint, Loader(settings).load(checkpoint), settings)


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
