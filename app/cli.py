"""The `recap` command."""

import typer

from app.commands.compile import compile
from app.commands.models import models
from app.commands.serve import serve
from app.tasks.captioning.command import caption
from app.tasks.text.command import generate

cli = typer.Typer(
    name="recap",
    help="Recap, the recurrent captioner: describes pictures in words, and writes text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (serve, caption, generate, models, compile):
    cli.command()(command)


def main() -> None:
    """Entry point of `recap`."""
    cli()
