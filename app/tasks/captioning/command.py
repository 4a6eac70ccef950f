"""`recap caption`."""

import math
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.commands import (
    Checkpoints,
    DeviceOption,
    ModelOption,
    fail,
    find_checkpoint,
    quiet_pillow,
    read_range,
    read_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.settings import Settings
    from app.tasks.captioning.bulk.plan import Plan
    from app.tasks.captioning.bulk.run import Done
    from app.tasks.captioning.files import Line
    from model.checkpoint import Checkpoint

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
    write: Annotated[
        Literal["sidecar", "embed"] | None,
        typer.Option(help="Write captions into photo.jpg.xmp beside each picture, or into JPEGs and PNGs themselves."),
    ] = None,
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
    ray: Annotated[
        str | None,
        typer.Option(
            help="Do the shards of --out on a cluster of Ray's: local, auto or its address.", metavar="ADDRESS"
        ),
    ] = None,
    actors: Annotated[
        str, typer.Option(help="With --ray, fewest and most actors: 2:32, or a number.", metavar="NUMBER|LOW:HIGH")
    ] = "1",
    actor_cpus: Annotated[int, typer.Option(help="With --ray, CPUs of an actor.", metavar="NUMBER", min=1)] = 2,
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
        if as_json or jsonl or write or len(images) > 1:
            fail("--out takes one source, and neither --json nor --jsonl nor --write")
        part = _part(shard_index)
        if sum(map(bool, (processes, shard_index, ray))) > 1:
            fail("--processes, --shard-index and --ray exclude each other")
        settings = read_settings(checkpoints=checkpoints, device=device)

        def work(plan: "Plan", path: Path) -> "Iterator[Done]":
            from app.tasks.captioning.bulk.run import caption_here, caption_in_processes

            if ray:
                from app.cluster import connect

                connect(ray)
                from app.cluster.bulk import caption_on_cluster

                return caption_on_cluster(plan, path, settings, read_range(actors, "--actors"), actor_cpus)
            if processes and processes > 1:
                return caption_in_processes(plan, path, settings, processes)
            return caption_here(plan, path, settings, *part)

        _shards(images[0], out, column, settings, model, parameters, part, work)
        return
    for name, given in (("--processes", processes), ("--shard-index", shard_index), ("--ray", ray)):
        if given is not None:
            fail(f"{name} is about the shards of --out, which is not given")
    if as_json and jsonl:
        fail("--json and --jsonl exclude each other")
    if resume and not jsonl:
        fail("--resume goes on with the file of --jsonl, which is not given")

    from app.tasks.captioning.files import AnswerLog, AnswerLogError, find_pictures, to_json
    from model.tasks.captioning import CAPTIONING

    files, left = find_pictures(map(Path, images))
    if left:
        typer.echo(f"left out, without a picture's extension: {len(left)}", err=True)
    if not files:
        fail(f"no pictures in {', '.join(images)}")
    quiet_pillow()
    settings = read_settings(checkpoints=checkpoints, device=device)

    with ExitStack() as stack:
        failed = 0
        log_line = None
        if jsonl:
            try:
                log = stack.enter_context(closing(AnswerLog(jsonl, resume=resume)))
            except AnswerLogError as error:
                fail(str(error))
            log_line = log.write
            answered = [log.answered[str(file)] for file in files if str(file) in log.answered]
            failed = answered.count(False)
            if answered:
                typer.echo(f"{len(answered)} of {len(files)} pictures are answered already", err=True)
            files = [file for file in files if str(file) not in log.answered]
        quiet = as_json or log_line is not None
        answers: list[Line] = []
        metadata = _Metadata(write, find_checkpoint(settings, CAPTIONING, model)) if write else None

        def take(line: "Line") -> None:
            nonlocal failed
            failed += "error" in line
            if metadata:
                metadata.write(line)
            if log_line:
                log_line(line)
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
    if metadata:
        metadata.report()
        failed += metadata.failed
    if as_json:
        typer.echo(to_json(answers, indent=2), nl=False)
    if failed:
        raise typer.Exit(1)


class _Metadata:
    """Writes captions into pictures' metadata, and counts what becomes of them."""

    def __init__(self, where: Literal["sidecar", "embed"], checkpoint: "Checkpoint[Any, Any]") -> None:
        self._where, self._model = where, f"{checkpoint.name} {checkpoint.sha256[:16]}"
        self.failed = self._written = self._left = 0

    def write(self, line: "Line") -> None:
        """Writes the best caption of a line that has one, unless it needs review."""
        from app.tasks.captioning.metadata import MetadataError, PersonsTextError, embed, write_sidecar

        if "error" in line or not line["caption"] or line["captions"][0].get("needs_review"):
            return
        try:
            (embed if self._where == "embed" else write_sidecar)(Path(line["file"]), line["caption"], self._model)
            self._written += 1
        except PersonsTextError:
            self._left += 1
        except (MetadataError, OSError) as error:
            self.failed += 1
            reason = error.strerror if isinstance(error, OSError) else str(error)
            typer.echo(f"{line['file']}: not written: {reason}", err=True)

    def report(self) -> None:
        """Says how many there were."""
        typer.echo(f"captions written: {self._written}; left alone, with a person's text: {self._left}", err=True)


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
    part: tuple[int, int],
    work: "Callable[[Plan, Path], Iterator[Done]]",
) -> None:
    """Captions the pictures of a source into shards that are not there yet."""
    quiet_pillow()
    from app.cluster import ClusterError
    from app.errors import Refusal
    from app.http.body import parse
    from app.tasks.captioning.bulk.plan import Plan, PlanError
    from app.tasks.captioning.bulk.run import WorkError, follow
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
        errors = follow(plan, todo, work(plan, checkpoint.path), partial(typer.echo, err=True))
    except (Refusal, PlanError, StorageError, CheckpointError, ClusterError, WorkError, ValueError) as error:
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
