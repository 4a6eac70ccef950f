"""The `recap` command."""

from collections.abc import Callable

import typer

from app.commands.compile import compile
from app.commands.health import health
from app.commands.models import models
from app.commands.serve import serve
from app.tasks import TASKS

cli = typer.Typer(
    name="recap",
    help="Recap, the recurrent captioner: describes pictures in words, and writes text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
commands: list[Callable[..., None]] = [serve, *(task.command for task in TASKS.values()), models, compile, health]
for command in commands:
    cli.command()(command)


def main() -> None:
    """Entry point of `recap`."""
    cli()
