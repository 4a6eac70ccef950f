"""The `recap` command."""

import json
import logging
import signal
import sys
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

# What takes long to import (torch above all) is imported by the commands that need it: --help answers at once.
if TYPE_CHECKING:
    from rich.progress import Progress

    from app.bulk import Line
    from app.settings import Settings
    from model.checkpoint import Checkpoint

cli = typer.Typer(
    name="recap",
    help="Recap, the recurrent captioner: describes pictures in words.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Checkpoints = Annotated[
    Path | None, typer.Option(help="Folder of the checkpoints (RECAP_CHECKPOINTS; else ./checkpoints).", metavar="DIR")
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Where the network runs (RECAP_DEVICE; else auto).")
]


def _fail(message: str) -> NoReturn:
    """Ends the command because of what it was given: exit code 2."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)


def _quiet_pillow() -> None:
    """What Pillow has to say of odd pictures: it is told in the answers, and anyone can send them."""
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def _settings(**options: Any) -> "Settings":
    from pydantic import ValidationError

    from app.settings import Settings

    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        _fail(f"{name} (RECAP_{name.upper()}) = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}")


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (RECAP_HOST; else 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (RECAP_PORT; else 8000).")] = None,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Serve the models over HTTP; /docs shows how to ask.

    Every setting is also an environment variable, RECAP_ and its name.
    """
    settings = _settings(host=host, port=port, checkpoints=checkpoints, device=device)

    import uvicorn

    from app.main import create_app
    from model.checkpoint import CheckpointError

    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    _quiet_pillow()
    failures: list[str] = []

    def stop(reason: str) -> None:
        failures.append(reason)
        server.should_exit = True

    try:
        application = create_app(settings, on_failure=stop)
    except (CheckpointError, ValueError) as error:
        _fail(str(error))
    server = uvicorn.Server(uvicorn.Config(application, settings.host, settings.port, server_header=False))
    # uvicorn finishes what is in flight, then raises the signal again: having been asked to stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.run()
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    if failures:
        _fail(failures[0])


@cli.command()
def caption(
    images: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.", metavar="IMAGE|FOLDER...")],
    model: Annotated[
        str | None, typer.Option(help="Name of a model, or a checkpoint's folder.", metavar="NAME|DIR")
    ] = None,
    beam_size: Annotated[int | None, typer.Option(help="Captions kept in view, 1 to 10.")] = None,
    num_captions: Annotated[int | None, typer.Option(help="Captions for each picture, 1 to 10.")] = None,
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
        _fail("--json and --jsonl exclude each other")
    if resume and not jsonl:
        _fail("--resume goes on with the file of --jsonl, which is not given")

    from app.bulk import find_pictures

    files, left = find_pictures(images)
    if left:
        typer.echo(f"left out, without a picture's extension: {len(left)}", err=True)
    if not files:
        _fail(f"no pictures in {', '.join(map(str, images))}")
    _quiet_pillow()
    settings = _settings(checkpoints=checkpoints, device=device)

    with ExitStack() as stack:
        failed = 0
        write = None
        if jsonl:
            from app.bulk import AnswerLog, AnswerLogError

            try:
                log = stack.enter_context(AnswerLog(jsonl, resume=resume))
            except (AnswerLogError, OSError) as error:
                _fail(str(error))
            write = log.write
            failed = sum(not log.answered[str(file)] for file in files if str(file) in log.answered)
            remaining = [file for file in files if str(file) not in log.answered]
            if len(remaining) < len(files):
                typer.echo(f"{len(files) - len(remaining)} of {len(files)} pictures are answered already", err=True)
            files = remaining
        lines = _captions(files, settings, model, {"beam_size": beam_size, "num_captions": num_captions})
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

    import torch

    from app.bulk import caption_files
    from app.errors import ApiError
    from app.parameters import decoding_config
    from app.registry import choose_device
    from model.checkpoint import CheckpointError

    checkpoint = _find_checkpoint(settings, model)
    given = {name: value for name, value in parameters.items() if value is not None}
    try:
        decoding = decoding_config(checkpoint.config.decoding, given)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        captioner = checkpoint.load(choose_device(settings.device))
    except (ApiError, CheckpointError, ValueError) as error:
        _fail(str(error))
    return caption_files(captioner, files, decoding, settings)


def _find_checkpoint(settings: "Settings", model: str | None) -> "Checkpoint":
    from app.registry import Registry, UnknownModelError
    from model.checkpoint import Checkpoint, CheckpointError

    try:
        if model is not None and Path(model, "config.json").is_file():
            return Checkpoint.open(Path(model))
        return Registry.open(settings.checkpoints, settings.default_model).find(model)
    except (CheckpointError, UnknownModelError) as error:
        _fail(str(error))


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


@cli.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
    checkpoints: Checkpoints = None,
) -> None:
    """List the models."""
    settings = _settings(checkpoints=checkpoints)

    from app.registry import Registry
    from app.routes.models import model_list
    from model.checkpoint import CheckpointError

    try:
        cards = model_list(Registry.open(settings.checkpoints, settings.default_model)).data
    except CheckpointError as error:
        _fail(str(error))
    if as_json:
        typer.echo(json.dumps([card.model_dump() for card in cards], ensure_ascii=False, indent=2))
        return
    rows = [("model", "task", "encoder", "decoder", "weights", "figures")]
    for card in cards:
        figures = (f"{name} {card.metrics[name]:.3f}" for name in ("BLEU-4", "METEOR", "CIDEr") if name in card.metrics)
        name = f"{card.id} (default)" if card.default else card.id
        rows.append((name, card.task, card.encoder, card.decoder, card.sha256[:12], ", ".join(figures)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> None:
    """Entry point of `recap`."""
    cli()
