"""`recap transcribe`."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import Checkpoints, DeviceOption, ModelOption, fail, find_checkpoint, read_settings

if TYPE_CHECKING:
    from model.tasks.transcription.recogniser import Transcript


class Form(StrEnum):
    """Forms of a text."""

    text = "text"
    srt = "srt"
    vtt = "vtt"


def transcribe(
    files: Annotated[
        list[Path], typer.Argument(help="Recordings; - is standard input.", metavar="FILE...", show_default=False)
    ],
    model: ModelOption = None,
    form: Annotated[Form, typer.Option("--format", help="text, or subtitles: srt, vtt.")] = Form.text,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, with the time of each word, and nothing else.")
    ] = False,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Write what is said in recordings.

    WAV, FLAC, Ogg and MP3 are read, with the extra av also WebM and MP4. The exit code is 1 if a recording could not be
    read.
    """
    if as_json and form != Form.text:
        fail("--json and --format exclude each other")
    settings = read_settings(checkpoints=checkpoints, device=device)

    from app.serving.loading import Loader
    from app.tasks.transcription.schemas import in_json
    from model.audio import WaveformError
    from model.audio.waveforms import read_waveform
    from model.checkpoint import CheckpointError
    from model.files import read_bytes
    from model.tasks.transcription import TRANSCRIPTION

    checkpoint = find_checkpoint(settings, TRANSCRIPTION, model)
    try:
        recogniser = Loader(settings).load(checkpoint)
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    answers, failed = [], False
    for file in files:
        try:
            data = sys.stdin.buffer.read() if str(file) == "-" else read_bytes(file)
            (transcript,) = recogniser.transcribe([read_waveform(data)])
        except (OSError, WaveformError) as error:
            failed = True
            message = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            code = error.code if isinstance(error, WaveformError) else "unreadable"
            answers.append({"file": str(file), "error": {"code": code, "message": message}})
            if not as_json:
                typer.echo(f"{file}: {message}", err=True)
            continue
        answers.append({"file": str(file), **in_json(transcript)})
        if not as_json:
            typer.echo(_shown(transcript, form, str(file) if len(files) > 1 else ""))
    if as_json:
        typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))
    if failed:
        raise typer.Exit(1)


def _shown(transcript: "Transcript", form: Form, name: str) -> str:
    """A text in a form; with the name of its recording, if any is given."""
    from app.tasks.transcription.schemas import subtitles

    if form == Form.text:
        return f"{name}: {transcript.text}" if name else transcript.text
    return subtitles(transcript, "srt" if form == Form.srt else "vtt")
