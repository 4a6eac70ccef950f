"""The `recap` command."""

import typer

from app.commands.caption import caption
from app.commands.models import models
from app.commands.serve import serve

cli = typer.Typer(
    name="recap",
    help="Recap, the recurrent captioner: describes pictures in words.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (serve, caption, models):
    cli.command()(command)


def main() -> None:
    """Entry point of `recap`."""
    cli()
