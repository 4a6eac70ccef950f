"""`recap compile`."""

import time

import typer

from app.commands import Checkpoints, fail, read_settings


def compile(checkpoints: Checkpoints = None) -> None:
    """Compile the networks for the CPU and keep them (RECAP_CACHE), so that already the first start is quick.

    The files do not depend on the machine, so they can be part of a container's image.
    """
    settings = read_settings(checkpoints=checkpoints, device="cpu", runtime="openvino")

    from app.serving.loading import Loader
    from app.serving.registry import Registry
    from model.checkpoint import CheckpointError

    try:
        loader = Loader(settings)
        for name, checkpoint in Registry.open(settings.checkpoint_folder()).checkpoints.items():
            started = time.monotonic()
            loader.load(checkpoint)
            typer.echo(f"{name}: {time.monotonic() - started:.1f} s")
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    typer.echo(f"kept in {loader.cache}")
