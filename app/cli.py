"""The `recap` command."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from app.commands import fail
from app.commands.compile import compile
from app.commands.export import export
from app.commands.health import health
from app.commands.models import models
from app.commands.serve import serve
from app.tasks import TASKS
from model.streams import open_closed_streams, told


class Commands(TyperGroup):
    """The commands; what the machine refuses them, such as room on a disk, is told in a line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            fail(told(error))


cli = typer.Typer(
    name="recap",
    cls=Commands,
    help="Recap, the recurrent captioner: describes pictures in words, and writes text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
commands: list[Callable[..., None]] = [
    serve,
    *(task.command for task in TASKS.values()),
    models,
    compile,
    export,
    health,
]
for command in commands:
    cli.command()(command)


def main() -> None:
    """Entry point of `recap`."""
    open_closed_streams()
    cli()
