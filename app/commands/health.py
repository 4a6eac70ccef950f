"""`recap health`."""

from http.client import HTTPConnection, HTTPException
from typing import Annotated

import typer

from app.commands import read_settings

SECONDS = 4.0
"""Patience with the server: less than Docker has with this command."""
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""Addresses to listen on that are no addresses to ask -> those that are."""


def health(
    host: Annotated[str | None, typer.Option(help="Address of the server (RECAP_HOST; else 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Its port (RECAP_PORT; else 8000).")] = None,
) -> None:
    """Ask the server on this machine whether it is ready; the exit code is 1 if it is not."""
    settings = read_settings(host=host, port=port)
    address = EVERY_ADDRESS.get(settings.host, settings.host)
    connection = HTTPConnection(address, settings.port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        typer.echo(f"no answer from {address}, port {settings.port}: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        connection.close()
    if status != 200:
        typer.echo(f"not ready: /readyz answers {status}", err=True)
        raise typer.Exit(1)
    typer.echo("ready")
