"""`recap compile`."""

import time

import typer

from app.commands import Checkpoints, fail, read_settings


def compile(checkpoints: Checkpoints = None) -> None:
    """Compile the networks for the CPU and keep them (RECAP_CACHE), so that starts are quick from the first one on.

    What is kept does not depend on the machine: an image of a container can have it.
    """
    settings = read_settings(checkpoints=checkpoints, device="cpu", runtime="openvino")

    from app.serving.loading import Loader
    from app.serving.registry import Registry
    from model.checkpoint import CheckpointError

    try:
        loader = Loader(settings)
        for name, checkpoint in Registry.open(settings.checkpoints).checkpoints.items():
            started = time.monotonic()
            loader.load(checkpoint)
            typer.echo(f"{name}: {time.monotonic() - started:.1f} s")
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    typer.echo(f"kept in {loader.cache}")
