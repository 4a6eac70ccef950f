"""`recap serve`."""

import asyncio
import errno
import gc
import logging
import os
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import Checkpoints, DeviceOption, fail, quiet_pillow, read_range, read_settings
from recap.stopping import leave, on_stop

if TYPE_CHECKING:
    from app.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (RECAP_HOST; else 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (RECAP_PORT; else 8000).")] = None,
    ray: Annotated[
        str | None, typer.Option(help="Serve on a cluster of Ray's: local, auto or its address.", metavar="ADDRESS")
    ] = None,
    replicas: Annotated[
        str, typer.Option(help="With --ray, fewest and most replicas: 2:8, or a number.", metavar="NUMBER|LOW:HIGH")
    ] = "1",
    replica_cpus: Annotated[int, typer.Option(help="With --ray, CPUs of a replica.", metavar="NUMBER", min=1)] = 2,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Serve the models over HTTP; /docs shows how to ask.

    Every setting is also an environment variable, RECAP_ and its name.
    """
    on_stop(lambda *_: leave(0))  # until the server can drain
    gc.disable()  # until all is loaded; collecting while it is imported would take a tenth of the start
    settings = read_settings(host=host, port=port, checkpoints=checkpoints, device=device)
    if ray:
        _serve_on_cluster(settings, ray, read_range(replicas, "--replicas"), replica_cpus)
        return
    try:
        sockets = listen(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) and error.errno else 0
        reason = os.strerror(number) if number in errno.errorcode else "the host's name can't be resolved"
        fail(f"host {settings.host}, port {settings.port}: {reason}; name others with --host and --port")

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
        for listener in sockets:
            listener.close()
        fail(str(error))
    configure_logs(settings.log_format, settings.log_level)
    if "api_keys" in settings.model_fields_set and not settings.api_keys:
        logging.getLogger(__name__).warning("RECAP_API_KEYS is set, but empty: the API is open to all")
    server = Server(application)

    async def run() -> None:
        await server.serve(sockets)
        if failures:
            typer.echo(f"error: {failures[0]}", err=True)
        leave(2 if failures else 0)

    asyncio.run(run())


def _serve_on_cluster(settings: "Settings", address: str, replicas: tuple[int, int], cpus: int) -> None:
    """Serves by Ray Serve until it is told to stop."""
    from app.cluster import ClusterError, connect
    from model.checkpoint import CheckpointError

    gc.enable()
    try:
        from app.main import create_app

        create_app(settings)  # what is wrong is told here, and not in a replica's log
        connect(address)
        from app.cluster.serve import run

        run(settings, replicas, cpus)
    except (CheckpointError, ClusterError, ValueError) as error:
        fail(str(error))


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of a host, as far as this machine has them; clients wait to be accepted.

    Raises:
        OSError: the port is taken or not allowed, or there is no such address.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets, missing = [], None
    for family, address in dict.fromkeys((family, address) for family, *_, address in found):
        try:
            listener = socket.create_server(address[:2], family=family)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # such as ::1 where there is no IPv6
                raise
            missing = error
            continue
        # Connections inherit it. asyncio sets it only where the socket names its protocol, which this one does not; an
        # answer's body would then wait 40 ms for the client to acknowledge the head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(listener)
    if missing and not sockets:
        raise missing
    return sockets
