"""`recap export`."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands import Checkpoints, ModelOption, fail, find_checkpoint, read_settings


def export(
    onnx: Annotated[
        Path, typer.Option(help="Write a captioner's networks there, as ONNX, and captioner.json.", metavar="DIR")
    ],
    model: ModelOption = None,
    checkpoints: Checkpoints = None,
) -> None:
    """Write a captioner for other runtimes, and check that it is the same there.

    Each network is compared with torch in ONNX Runtime. The search over the words is not part of the files.
    """
    settings = read_settings(checkpoints=checkpoints, device="cpu")

    from app.tasks.captioning.onnx import ExportError
    from app.tasks.captioning.onnx import export as write
    from model.checkpoint import CheckpointError
    from model.tasks.captioning import CAPTIONING

    checkpoint = find_checkpoint(settings, CAPTIONING, model)
    try:
        about = {"name": checkpoint.name, "sha256": checkpoint.sha256}
        for check in write(checkpoint.load(), onnx, about):
            typer.echo(f"{check.name}: {check.megabytes:.1f} MB, differs from torch by at most {check.difference:.1e}")
    except (CheckpointError, ExportError) as error:
        fail(str(error))
