"""`recap translate`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands import Checkpoints, DeviceOption, ModelOption, fail, find_checkpoint, read_settings, require_decoded

if TYPE_CHECKING:
    from model.tasks.translation.texts import Text, TextTranslation
    from model.tasks.translation.translator import Translator

TOGETHER = 64
"""Texts of a file that are translated before the next are read."""


def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts; without any, or for -, each line of standard input is one.", metavar="TEXT"),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Translate each line of a file.", metavar="FILE")] = None,
    model: ModelOption = None,
    beam_size: Annotated[int | None, typer.Option(min=1, max=10, help="Translations kept in view, 1 to 10.")] = None,
    num_translations: Annotated[int, typer.Option(min=1, max=10, help="Translations of each text, 1 to 10.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
    jsonl: Annotated[
        Path | None,
        typer.Option(help="Write a JSON line for each text, as it is done; - is standard output.", metavar="FILE"),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with --jsonl FILE where it stopped.")] = False,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Translate texts.

    What is not given is the model's own default, which `recap models --json` shows. An empty line stays empty. The exit
    code is 1 if a text could not be translated.
    """
    if as_json and jsonl:
        fail("--json and --jsonl exclude each other")
    if resume and (not jsonl or str(jsonl) == "-"):
        fail("--resume goes on with the file of --jsonl, which is not given")
    if texts and file:
        fail("--file and texts exclude each other")
    given = texts if texts and texts != ["-"] else None
    lines = [require_decoded(text, "the text") for text in given] if given else _lines(file)
    if not lines:
        fail("no text; give one, or a file")
    settings = read_settings(checkpoints=checkpoints, device=device)

    from app.serving.loading import Loader
    from model.checkpoint import CheckpointError
    from model.tasks.translation import TRANSLATION

    kept = None if str(jsonl) == "-" else jsonl
    done = _done(kept, lines, resume=resume) if kept else 0
    checkpoint = find_checkpoint(settings, TRANSLATION, model)
    try:
        translator = Loader(settings).load(checkpoint)
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    answers: list[dict[str, Any]] = []
    failed = False
    for start in range(done, len(lines), TOGETHER):
        told = _translated(translator, lines[start : start + TOGETHER], beam_size, num_translations)
        failed = failed or any("error" in answer for answer in told)
        if jsonl:
            _append(kept, told)
        elif as_json:
            answers += told
        else:
            for answer in told:
                _show(answer)
    if as_json:
        typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))
    if failed:
        raise typer.Exit(1)


def _translated(translator: "Translator", lines: list[str], beam_size: int | None, number: int) -> list[dict[str, Any]]:
    """An answer to each line: its translations, or why it has none."""
    from app.tasks.translation.request import fault_of
    from model.tasks.translation.texts import Text, translate_texts

    faults = [fault_of(translator, line) if line.strip() else None for line in lines]
    sound = [line.strip() and not fault for line, fault in zip(lines, faults, strict=True)]
    texts = [Text(translator, line) for line, good in zip(lines, sound, strict=True) if good]
    found = iter(zip(texts, translate_texts(translator, texts, beam_size=beam_size, number=number), strict=True))
    answers: list[dict[str, Any]] = []
    for line, fault, good in zip(lines, faults, sound, strict=True):
        if good:
            answers.append(_answer(*next(found)))
        elif fault:
            answers.append({"text": line, "error": {"code": "invalid_parameter", "message": f"the text {fault}"}})
        else:
            answers.append({"text": line, "translation": "", "translations": [], "unknown": []})
    return answers


def _answer(text: "Text", found: "list[TextTranslation]") -> dict[str, Any]:
    told = [{name: getattr(each, name) for name in ("text", "logprob", "confidence")} for each in found]
    return {"text": text.text, "translation": told[0]["text"], "translations": told, "unknown": text.unknown}


def _show(answer: dict[str, Any]) -> None:
    """Prints an answer for people; a text without one keeps its line."""
    if "error" in answer:
        typer.echo(f"error: {answer['error']['message']}", err=True)
        typer.echo()
        return
    typer.echo(answer["translation"])
    for other in answer["translations"][1:]:
        typer.echo(f"  {other['text']}")


def _lines(file: Path | None) -> list[str]:
    """The lines of a file, or of standard input."""
    from model.files import read_bytes

    try:
        data = read_bytes(file) if file else sys.stdin.buffer.read()
        text = data.decode("utf-8-sig")
        return [line.decode() for line in text.encode().splitlines()]  # those of text end at form feeds, too
    except OSError as error:
        fail(f"{file}: {(error.strerror or str(error)).lower()}")
    except UnicodeDecodeError as error:
        fail(f"{file or 'standard input'} is not UTF-8: {error.reason} at byte {error.start}")


def _done(jsonl: Path, lines: list[str], *, resume: bool) -> int:
    """The number of texts that a file has answers for; a last line that was cut is dropped."""
    if not jsonl.exists():
        return 0
    data = jsonl.read_bytes()
    if data and not resume:
        fail(f"{jsonl} is not empty; go on with --resume, or remove it")
    whole = data[: data.rfind(b"\n") + 1]
    answered = whole.splitlines()
    for number, (answer, text) in enumerate(zip(answered, lines, strict=False), start=1):
        try:
            same = json.loads(answer)["text"] == text
        except (ValueError, KeyError, TypeError):
            same = False
        if not same:
            fail(f"{jsonl}, line {number}: not the answer to line {number} of the texts; is this the right file?")
    if len(answered) > len(lines):
        fail(f"{jsonl} has {len(answered)} answers to {len(lines)} texts; is this the right file?")
    if len(whole) < len(data):
        with jsonl.open("rb+") as file:
            file.truncate(len(whole))
    return len(answered)


def _append(jsonl: Path | None, answers: list[dict[str, Any]]) -> None:
    """Writes a line for each answer to the end of a file, or to standard output."""
    lines = "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
    if jsonl is None:
        typer.echo(lines, nl=False)
        return
    with jsonl.open("ab") as file:
        file.write(lines.encode())
