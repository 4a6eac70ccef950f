"""Options, settings and errors that the commands share.

Modules that take long to import, torch above all, are imported by the functions that need them: --help answers at once.
"""

import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from app.settings import Settings
    from model.checkpoint import Checkpoint
    from model.task import C, M, Task

Checkpoints = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the checkpoints (RECAP_CHECKPOINTS; else ./checkpoints, else the package's own).", metavar="DIR"
    ),
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Where the network runs (RECAP_DEVICE; else auto).")
]
ModelOption = Annotated[str | None, typer.Option(help="Name of a model, or a checkpoint's folder.", metavar="NAME|DIR")]


def fail(message: str) -> NoReturn:
    """Ends the command with exit code 2: it was given something that can't work."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)


def require_decoded(text: str, name: str) -> str:
    """The text of an argument; ends the command if bytes of it can't be decoded, which come as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        fail(f"{name} is not {sys.getfilesystemencoding()}, from character {error.start} on")
    return text


def quiet_pillow() -> None:
    """Silences Pillow's warnings about odd pictures: anyone can send those, and the answers say what is wrong."""
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def read_settings(**options: Any) -> "Settings":
    """The settings; an option that was given overrides the environment."""
    from pydantic import ValidationError

    from app.settings import PREFIX, Settings

    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # about a variable that is no setting
            fail(first["msg"].removeprefix("Value error, "))
        name = str(first["loc"][0])
        fail(f"{name} ({PREFIX}{name.upper()}) = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}")


def read_range(text: str, option: str) -> tuple[int, int]:
    """The two ends of `2:8`, or one number twice."""
    low, _, high = text.partition(":")
    try:
        found = int(low), int(high or low)
    except ValueError:
        found = 0, 0
    if not 1 <= found[0] <= found[1]:
        fail(f"{option} {text}: write a number, or LOW:HIGH")
    return found


def find_checkpoint(settings: "Settings", task: "Task[C, M]", model: str | None) -> "Checkpoint[C, M]":
    """The checkpoint of a folder or a name; by default that of the task."""
    from app.serving.registry import Registry, UnknownModelError
    from app.tasks import PREFERRED
    from model.checkpoint import Checkpoint, CheckpointError

    try:
        if model is not None and Path(model, "config.json").is_file():
            return Checkpoint.open(Path(model)).expect(task)
        return Registry.open(settings.checkpoint_folder(), settings.defaults, PREFERRED).find(task, model)
    except (CheckpointError, UnknownModelError, ValueError) as error:
        fail(str(error))
