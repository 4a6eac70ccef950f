"""What the commands share: options, settings, and how they end when what they were given can't work.

What takes long to import (torch above all) is imported by the functions that need it: --help answers at once.
"""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from app.settings import Settings
    from model.checkpoint import Checkpoint
    from model.task import C, M, Task

Checkpoints = Annotated[
    Path | None, typer.Option(help="Folder of the checkpoints (RECAP_CHECKPOINTS; else ./checkpoints).", metavar="DIR")
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Where the network runs (RECAP_DEVICE; else auto).")
]
ModelOption = Annotated[str | None, typer.Option(help="Name of a model, or a checkpoint's folder.", metavar="NAME|DIR")]


def fail(message: str) -> NoReturn:
    """Ends the command because of what it was given: exit code 2."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)


def quiet_pillow() -> None:
    """What Pillow has to say of odd pictures: it is told in the answers, and anyone can send them."""
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def read_settings(**options: Any) -> "Settings":
    """The settings, with the options that were given before what the environment says."""
    from pydantic import ValidationError

    from app.settings import PREFIX, Settings

    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of no setting that there is
            fail(first["msg"].removeprefix("Value error, "))
        name = str(first["loc"][0])
        fail(f"{name} ({PREFIX}{name.upper()}) = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}")


def find_checkpoint(settings: "Settings", task: "Task[C, M]", model: str | None) -> "Checkpoint[C, M]":
    """The checkpoint in a folder, of a name, or the default of its task."""
    from app.serving.registry import Registry, UnknownModelError
    from model.checkpoint import Checkpoint, CheckpointError

    try:
        if model is not None and Path(model, "config.json").is_file():
            return Checkpoint.open(Path(model)).expect(task)
        return Registry.open(settings.checkpoints, settings.defaults).find(task, model)
    except (CheckpointError, UnknownModelError) as error:
        fail(str(error))
