"""`recap caption`."""

import math
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands import Checkpoints, DeviceOption, ModelOption, fail, find_checkpoint, quiet_pillow, read_settings

if TYPE_CHECKING:
    from app.settings import Settings
    from app.tasks.captioning.files import Line

PAUSE_MS = 100
"""Milliseconds that a batch waits for another picture: nobody waits for a single one here."""


def caption(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, and folders of pictures; with --out also a list, a tar, a parquet file or s3://BUCKET/PREFIX.",
            metavar="IMAGE|FOLDER...",
        ),
    ],
    model: ModelOption = None,
    beam_size: Annotated[int | None, typer.Option(help="Captions kept in view, 1 to 10.")] = None,
    num_captions: Annotated[int | None, typer.Option(help="Captions for each picture, 1 to 10.")] = None,
    neutral: Annotated[
        bool | None, typer.Option(help='Say "person" rather than guess at gender or the colour of skin.')
    ] = None,
    tags: Annotated[bool | None, typer.Option("--tags", help="Also say which things are there.")] = None,
    format: Annotated[
        str | None, typer.Option(help="caption, or alt: alternative text for a page.", metavar="FORMAT")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(help="Withhold captions of less confidence, 0 to 1.", metavar="SHARE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
    jsonl: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each picture, as it is done.", metavar="FILE")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with --jsonl FILE where it stopped.")] = False,
    out: Annotated[
        str | None,
        typer.Option(
            help="Write shards of captions into a folder or s3://BUCKET/PREFIX, and go on there.", metavar="DIR"
        ),
    ] = None,
    column: Annotated[
        str, typer.Option(help="Column of a parquet file that has the pictures.", metavar="NAME")
    ] = "image",
    processes: Annotated[
        int | None, typer.Option(help="Processes that share the shards of --out.", metavar="NUMBER", min=1, max=256)
    ] = None,
    shard_index: Annotated[
        str | None,
        typer.Option(help="Do a part of the shards of --out: 3/16 is the fourth of 16.", metavar="INDEX/COUNT"),
    ] = None,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Describe pictures.

    A folder stands for the files with a picture's extension in it and below it; the others are counted on standard
    error. The exit code is 1 if any picture failed, and 2 if captions can't be written: the disk is full, or a pipe was
    closed.

    With --out, the captions of 512 pictures at a time are a file; what is there is not done again, so the same command
    goes on after anything, and on several machines. docs/bulk.md says more.
    """
    parameters = {
        "beam_size": beam_size,
        "num_captions": num_captions,
        "neutral": neutral,
        "tags": tags,
        "format": format,
        "min_confidence": min_confidence,
    }
    if out:
        if as_json or jsonl or len(images) > 1:
            fail("--out takes one source, and neither --json nor --jsonl")
        part = _part(shard_index)
        if processes and shard_index:
            fail("--processes and --shard-index exclude each other")
        settings = read_settings(checkpoints=checkpoints, device=device)
        _shards(images[0], out, column, settings, model, parameters, processes or 1, part)
        return
    for name, given in (("--processes", processes), ("--shard-index", shard_index)):
        if given is not None:
            fail(f"{name} is about the shards of --out, which is not given")
    if as_json and jsonl:
        fail("--json and --jsonl exclude each other")
    if resume and not jsonl:
        fail("--resume goes on with the file of --jsonl, which is not given")

    from app.tasks.captioning.files import AnswerLog, AnswerLogError, find_pictures, to_json

    files, left = find_pictures(map(Path, images))
    if left:
        typer.echo(f"left out, without a picture's extension: {len(left)}", err=True)
    if not files:
        fail(f"no pictures in {', '.join(images)}")
    quiet_pillow()
    settings = read_settings(checkpoints=checkpoints, device=device)

    with ExitStack() as stack:
        failed = 0
        write = None
        if jsonl:
            try:
                log = stack.enter_context(closing(AnswerLog(jsonl, resume=resume)))
            except AnswerLogError as error:
                fail(str(error))
            write = log.write
            answered = [log.answered[str(file)] for file in files if str(file) in log.answered]
            failed = answered.count(False)
            if answered:
                typer.echo(f"{len(answered)} of {len(files)} pictures are answered already", err=True)
            files = [file for file in files if str(file) not in log.answered]
        quiet = as_json or write is not None
        answers: list[Line] = []

        def take(line: "Line") -> None:
            nonlocal failed
            failed += "error" in line
            if write:
                write(line)
            elif as_json:
                answers.append(line)
            _show(line, quiet=quiet)

        if files:
            # Captions that scroll past are progress enough.
            bar = quiet or not sys.stdout.isatty()
            try:
                _caption(files, settings, model, parameters, take, bar=bar)
            except AnswerLogError as error:
                fail(str(error))
    if as_json:
        typer.echo(to_json(answers, indent=2), nl=False)
    if failed:
        raise typer.Exit(1)


def _part(text: str | None) -> tuple[int, int]:
    """The part and the number of parts of `3/16`."""
    if text is None:
        return 0, 1
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not match or not int(match[1]) < int(match[2]):
        fail(f"--shard-index {text}: write INDEX/COUNT, where INDEX is 0 to COUNT - 1")
    return int(match[1]), int(match[2])


def _shards(
    source: str,
    out: str,
    column: str,
    settings: "Settings",
    model: str | None,
    parameters: dict[str, Any],
    processes: int,
    part: tuple[int, int],
) -> None:
    """Captions the pictures of a source into shards that are not there yet."""
    quiet_pillow()
    from app.errors import Refusal
    from app.http.body import parse
    from app.tasks.captioning.bulk.plan import Plan, PlanError
    from app.tasks.captioning.bulk.run import WorkError, caption_here, caption_in_processes, follow
    from app.tasks.captioning.bulk.storage import S3, StorageError
    from app.tasks.captioning.parameters import CaptionParameters, picture_job
    from model.checkpoint import CheckpointError
    from model.tasks.captioning import CAPTIONING

    checkpoint = find_checkpoint(settings, CAPTIONING, model)
    if parameters["min_confidence"] is None and settings.min_confidence:
        parameters |= {"min_confidence": settings.min_confidence}
    given = {name: value for name, value in parameters.items() if value is not None}
    try:
        picture_job(checkpoint, parse(CaptionParameters, given), b"")  # what is wrong is told before a model is loaded
        address = source if source.startswith(S3) else os.path.abspath(source)  # noqa: PTH100 (it is text in the plan)
        about = {"name": checkpoint.name, "sha256": checkpoint.sha256}
        plan = Plan.make(out, address, column, about, given)
        todo = len(plan.todo(*part))
        if processes > 1:
            results = caption_in_processes(plan, checkpoint.path, settings, processes)
        else:
            results = caption_here(plan, checkpoint.path, settings, *part)
        errors = follow(plan, todo, results, partial(typer.echo, err=True))
    except (Refusal, PlanError, StorageError, CheckpointError, WorkError, ValueError) as error:
        fail(str(error))
    if errors:
        typer.echo(f"pictures with an error in place of a caption: {errors:,}", err=True)
        raise typer.Exit(1)


def _caption(
    files: "list[Path]",
    settings: "Settings",
    model: str | None,
    parameters: dict[str, Any],
    take: "Callable[[Line], None]",
    *,
    bar: bool,
) -> None:
    """Captions files through a worker of the server's kind, and hands their lines in order to `take`.

    Unlike the server, a command has no deadline, and time to wait for full batches. `bar` shows progress, if standard
    error is a terminal.
    """
    import anyio
    from tqdm import tqdm

    from app.errors import Refusal
    from app.http.body import parse
    from app.serving.worker import Resources
    from app.tasks.captioning.files import AHEAD, caption_files
    from app.tasks.captioning.parameters import CaptionParameters, picture_job
    from app.tasks.captioning.service import load_worker
    from model.checkpoint import CheckpointError
    from model.tasks.captioning import CAPTIONING

    checkpoint = find_checkpoint(settings, CAPTIONING, model)
    patient = {"picture_queue": 2 * AHEAD, "batch_pause_ms": PAUSE_MS, "deadline_seconds": math.inf}
    try:
        asked = parse(CaptionParameters, parameters)
        picture_job(checkpoint, asked, b"")  # what is wrong is told before a model is loaded
        resources = Resources(settings.model_copy(update=patient))
        worker = load_worker(checkpoint, resources)
    except (Refusal, CheckpointError, ValueError) as error:
        fail(str(error))

    async def run() -> None:
        try:
            with tqdm(total=len(files), unit="picture", disable=None if bar else True) as progress:
                async for line in caption_files(worker, files, partial(picture_job, checkpoint, asked)):
                    take(line)
                    progress.update()
        finally:
            await worker.close()

    try:
        anyio.run(run)
    finally:
        resources.close()


def _show(line: "Line", *, quiet: bool) -> None:
    """Prints errors on standard error, above the progress bar, and captions on standard output."""
    if "error" in line:
        from tqdm import tqdm

        tqdm.write(f"{line['file']}: {line['error']['message']}", file=sys.stderr)
    elif not quiet:
        # The name as its bytes are on disk, whatever the encoding makes of them.
        first, *others = map(_shown, line["captions"])
        typer.echo(os.fsencode(f"{line['file']}: {first}"))
        tags = ", ".join(f"{tag['name']} {tag['confidence']:.2f}" for tag in line.get("tags", ()))
        for other in [*others, *([f"tags: {tags or 'none'}"] if "tags" in line else [])]:
            typer.echo(f"{' ' * len(line['file'])}  {other}")


def _shown(caption: "Line") -> str:
    """A caption's text; of one that is withheld, also what a person is to look at."""
    text = str(caption["text"])
    return f"{text} (needs review: {caption.get('original', '')})".lstrip() if "needs_review" in caption else text
