"""The `recap` command."""

import typer

from app.commands.caption import caption
from app.commands.compile import compile
from app.commands.generate import generate
from app.commands.models import models
from app.commands.serve import serve

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
