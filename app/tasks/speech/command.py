"""`recap speak`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.commands import Checkpoints, DeviceOption, ModelOption, fail, find_checkpoint, read_settings, require_decoded

FORMATS = ("wav", "mp3", "opus", "flac", "pcm")


def speak(
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="The text; without any, or for -, standard input is.", metavar="TEXT"),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file, whose name says the format; - is standard output.")
    ] = Path("speech.wav"),
    voice: Annotated[str | None, typer.Option(help="Who speaks; by default the model's first voice.")] = None,
    speed: Annotated[float, typer.Option(min=0.25, max=4, help="How many times as fast as usual, 0.25 to 4.")] = 1.0,
    format_: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(FORMATS)}; by default that of the file's name, else wav."),
    ] = None,
    model: ModelOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was said and when, word by word, as JSON and nothing else.")
    ] = False,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Say a text.

    Numbers, dates, times and single letters are read as one says them. Words that the voice was never heard to say are
    told, for they may sound wrong.
    """
    chosen = format_ or (suffix if (suffix := out.suffix.removeprefix(".").lower()) in FORMATS else None)
    if chosen is None and out.suffix:
        fail(f"{out}: no such format as {out.suffix[1:]}; there are {', '.join(FORMATS)}")
    if chosen and chosen not in FORMATS:
        fail(f"--format {chosen}: there are {', '.join(FORMATS)}")
    if as_json and str(out) == "-":
        fail("--json prints to standard output, and so does --out -; give a file")
    given = None if not texts or texts == ["-"] else " ".join(texts)
    text = sys.stdin.read() if given is None else require_decoded(given, "the text")
    settings = read_settings(checkpoints=checkpoints, device=device)

    import numpy as np

    from app.errors import Refusal
    from app.serving.loading import Loader
    from app.tasks.speech.schemas import words_of
    from app.tasks.speech.service import planned, voice_of
    from model.audio import RATE
    from model.audio.encoding import encode
    from model.checkpoint import CheckpointError
    from model.files import replacing
    from model.tasks.speech import SPEECH
    from model.tasks.speech.reading import UnsayableError

    checkpoint = find_checkpoint(settings, SPEECH, model)
    try:
        synthesiser = Loader(settings).load(checkpoint)
        number = voice_of(synthesiser, voice)
        speech = planned(synthesiser, text, number, speed)
    except (CheckpointError, UnsayableError, ValueError, Refusal) as error:
        fail(str(error))
    silence = np.zeros(speech.pause, np.float32)
    parts = [part for piece in speech.pieces for part in (silence, *synthesiser.speak([piece]))]
    data = encode(np.concatenate(parts[1:]), chosen or "wav")  # type: ignore[arg-type]
    try:
        if str(out) == "-":
            sys.stdout.buffer.write(data)
        else:
            with replacing(out) as partial:
                partial.write_bytes(data)
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    if as_json:
        told = {
            "file": str(out),
            "voice": synthesiser.voices.names[number],
            "seconds": round(speech.samples / RATE, 3),
            "words": [word.model_dump() for word in words_of(speech.words())],
            "unheard": list(speech.unheard),
        }
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    elif speech.unheard:
        typer.echo(f"never heard in training, and may sound wrong: {', '.join(speech.unheard)}", err=True)
