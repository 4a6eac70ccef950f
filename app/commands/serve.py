"""`recap serve`."""

import gc
import logging
import signal
import sys
from typing import Annotated

import typer

from app.commands import Checkpoints, DeviceOption, fail, quiet_pillow, read_settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (RECAP_HOST; else 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (RECAP_PORT; else 8000).")] = None,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Serve the models over HTTP; /docs shows how to ask.

    Every setting is also an environment variable, RECAP_ and its name.
    """
    gc.disable()  # until all is loaded; collecting while it is imported would take a tenth of the start
    settings = read_settings(host=host, port=port, checkpoints=checkpoints, device=device)

    from app.http.server import Server
    from app.logs import configure_logs
    from app.main import create_app
    from model.checkpoint import CheckpointError

    quiet_pillow()
    failures: list[str] = []

    def stop(reason: str) -> None:
        failures.append(reason)
        server.should_exit = True

    try:
        application = create_app(settings, on_failure=stop)
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    configure_logs(settings.log_format, settings.log_level)
    if "api_keys" in settings.model_fields_set and not settings.api_keys:
        logging.getLogger(__name__).warning("RECAP_API_KEYS is set, but empty: the API is open to all")
    server = Server(application)
    # uvicorn finishes what is in flight, then raises the signal again; being asked to stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.run()
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    if failures:
        fail(failures[0])
