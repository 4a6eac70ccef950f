"""`recap classify`."""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from app.commands import Checkpoints, DeviceOption, ModelOption, fail, find_checkpoint, read_settings, require_decoded

if TYPE_CHECKING:
    from model.tasks.intents.classifier import IntentClassifier

BATCH = 64


def classify(
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; - reads one a line from standard input.", metavar="TEXT")
    ] = None,
    file: Annotated[
        list[Path] | None, typer.Option(help="Read texts from it, one a line; can be given several times.")
    ] = None,
    model: ModelOption = None,
    top_k: Annotated[int, typer.Option(min=1, max=1000, help="Most intents in a ranking.")] = 5,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each word does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
    jsonl: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each text there; - is standard output.", metavar="FILE")
    ] = None,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Say what texts ask for.

    Empty lines are left out. The exit code is 1 if a text could not be classified.
    """
    if as_json and jsonl:
        fail("--json and --jsonl exclude each other")
    given = list(_texts(texts or [], file or []))
    if not given:
        fail("there is no text; write one, - for standard input, or --file FILE")
    settings = read_settings(checkpoints=checkpoints, device=device)

    from app.serving.loading import Loader
    from model.checkpoint import CheckpointError
    from model.tasks.intents import INTENTS

    checkpoint = find_checkpoint(settings, INTENTS, model)
    try:
        classifier = Loader(settings).load(checkpoint)
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    answers, failed = [], 0
    with _opened(jsonl) as target:
        for start in range(0, len(given), BATCH):
            for answer in _classify(classifier, given[start : start + BATCH], top_k, explained=explain):
                failed += "error" in answer
                if jsonl:
                    target.write(json.dumps(answer, ensure_ascii=False) + "\n")
                elif as_json:
                    answers.append(answer)
                else:
                    _show(answer, several=len(given) > 1)
    if as_json:
        typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))
    if failed:
        raise typer.Exit(1)


def _opened(path: Path | None) -> AbstractContextManager[TextIO]:
    """A new file, or standard output."""
    if path is None or str(path) == "-":
        return nullcontext(sys.stdout)
    try:
        if path.exists() and path.stat().st_size:
            fail(f"{path} is not empty; remove it, or name another")
        return path.open("w", encoding="utf-8")
    except OSError as error:
        fail(f"{path}: {error.strerror}")


def _texts(given: list[str], files: list[Path]) -> Iterator[str]:
    """The texts of arguments, of standard input and of files, in this order."""
    for text in given:
        if text == "-":
            yield from _lines(sys.stdin.buffer.read(), "standard input")
        else:
            yield require_decoded(text, "the text")
    for path in files:
        try:
            yield from _lines(path.read_bytes(), str(path))
        except OSError as error:
            fail(f"{path}: {error.strerror}")


def _lines(data: bytes, name: str) -> Iterator[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fail(f"{name} is not UTF-8: {error.reason} at byte {error.start}")
    yield from (line for line in text.splitlines() if line.strip())


def _classify(
    classifier: "IntentClassifier", texts: list[str], top: int, *, explained: bool
) -> Iterator[dict[str, Any]]:
    """A line for each text: its result, or why it has none."""
    from app.errors import Refusal
    from app.tasks.intents.schemas import as_json
    from app.tasks.intents.service import IntentJob, check, check_words, finish, prepared

    jobs: dict[int, IntentJob] = {}
    errors: dict[int, Refusal] = {}
    for place, text in enumerate(texts):
        try:
            check(text)
            if explained:
                check_words([text])
            jobs[place] = prepared(classifier, IntentJob(text, explained))
        except Refusal as error:
            errors[place] = error
    if jobs:
        finish(classifier, list(jobs.values()))
    for place, text in enumerate(texts):
        if place in jobs:
            yield as_json(jobs[place], top)
        else:
            yield {"text": text[:100], "error": {"code": errors[place].code, "message": errors[place].message}}


def _show(answer: dict[str, Any], *, several: bool) -> None:
    """Prints an answer for people."""
    if "error" in answer:
        typer.echo(f"error: {answer['error']['message']}", err=True)
        return
    if several:
        typer.echo(answer["text"])
    indent = "    " if several else ""
    if not answer["in_scope"]:
        typer.echo(f"{indent}{answer['confidence']:6.1%}  {answer['title']} ({answer['intent']}); the nearest are")
    for ranked in answer["ranking"]:
        typer.echo(f"{indent}{ranked['confidence']:6.1%}  {ranked['title']} ({ranked['intent']})")
    for word in answer.get("explanation") or ():
        first = word["after"][0]
        unknown = "" if word["known"] else ", a word never seen"
        typer.echo(f"{indent}  {word['word']:16} {word['effect']:+6.1%}, then {first['intent']}{unknown}")
