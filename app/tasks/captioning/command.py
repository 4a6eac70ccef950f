"""`recap caption`."""

import json
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import (
    Checkpoints,
    DeviceOption,
    ModelOption,
    fail,
    find_checkpoint,
    quiet_pillow,
    read_settings,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from app.settings import Settings
    from app.tasks.captioning.files import Line


def caption(
    images: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.", metavar="IMAGE|FOLDER...")],
    model: ModelOption = None,
    beam_size: Annotated[int | None, typer.Option(help="Captions kept in view, 1 to 10.")] = None,
    num_captions: Annotated[int | None, typer.Option(help="Captions for each picture, 1 to 10.")] = None,
    neutral: Annotated[
        bool | None, typer.Option(help='Say "person" rather than guess at gender or the colour of skin.')
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
    jsonl: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each picture, as it is done.", metavar="FILE")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with --jsonl FILE where it stopped.")] = False,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Describe pictures.

    From a folder, and those below it, files with a picture's extension are taken; how many others there are is told.
    The exit code is 1 when any picture failed.
    """
    if as_json and jsonl:
        fail("--json and --jsonl exclude each other")
    if resume and not jsonl:
        fail("--resume goes on with the file of --jsonl, which is not given")

    from app.tasks.captioning.files import find_pictures

    files, left = find_pictures(images)
    if left:
        typer.echo(f"left out, without a picture's extension: {len(left)}", err=True)
    if not files:
        fail(f"no pictures in {', '.join(map(str, images))}")
    quiet_pillow()
    settings = read_settings(checkpoints=checkpoints, device=device)

    with ExitStack() as stack:
        failed = 0
        write = None
        if jsonl:
            from app.tasks.captioning.files import AnswerLog, AnswerLogError

            try:
                log = stack.enter_context(AnswerLog(jsonl, resume=resume))
            except (AnswerLogError, OSError) as error:
                fail(str(error))
            write = log.write
            failed = sum(not log.answered[str(file)] for file in files if str(file) in log.answered)
            remaining = [file for file in files if str(file) not in log.answered]
            if len(remaining) < len(files):
                typer.echo(f"{len(files) - len(remaining)} of {len(files)} pictures are answered already", err=True)
            files = remaining
        parameters = {"beam_size": beam_size, "num_captions": num_captions, "neutral": neutral}
        lines = _captions(files, settings, model, parameters)
        quiet = as_json or write is not None
        progress = None
        if files and (quiet or not sys.stdout.isatty()):  # captions that scroll past are progress enough
            from app.progress import progress_bar

            progress = stack.enter_context(progress_bar(len(files)))
        answers: list[Line] = []
        for line in lines:
            failed += "error" in line
            if write:
                write(line)
            elif as_json:
                answers.append(line)
            _show(line, quiet=quiet, progress=progress)
    if as_json:
        typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))
    if failed:
        raise typer.Exit(1)


def _captions(
    files: list[Path], settings: "Settings", model: str | None, parameters: dict[str, int | None]
) -> Iterable["Line"]:
    """The lines of `caption_files`, with what stands in the way of the first told beforehand."""
    if not files:
        return ()

    from app.errors import Refusal
    from app.http.body import parse
    from app.serving.loading import Loader
    from app.tasks.captioning.files import caption_files
    from app.tasks.captioning.parameters import CaptionParameters, decoding_over
    from model.checkpoint import CheckpointError
    from model.tasks.captioning import CAPTIONING

    checkpoint = find_checkpoint(settings, CAPTIONING, model)
    given = {name: value for name, value in parameters.items() if value is not None}
    try:
        decoding = decoding_over(checkpoint.config.decoding, parse(CaptionParameters, given).given())
        captioner = Loader(settings).load(checkpoint)
    except (Refusal, CheckpointError, ValueError) as error:
        fail(str(error))
    return caption_files(captioner, files, decoding, settings)


def _show(line: "Line", *, quiet: bool, progress: "Progress | None") -> None:
    """Errors on standard error, captions on standard output."""
    if "error" in line:
        message = f"{line['file']}: {line['error']['message']}"
        if progress:  # above the bar, not into it
            progress.console.print(message, markup=False, highlight=False, soft_wrap=True)
        else:
            typer.echo(message, err=True)
    elif not quiet:
        typer.echo(f"{line['file']}: {line['caption']}")
        for other in line["captions"][1:]:
            typer.echo(f"{' ' * len(line['file'])}  {other['text']}")
    if progress:
        progress.advance(progress.task_ids[0])
