"""`recap generate`."""

import json
import sys
from typing import Annotated

import typer

from app.commands import Checkpoints, DeviceOption, ModelOption, fail, find_checkpoint, read_settings, require_decoded


def generate(
    prompt: Annotated[str, typer.Option(help="What the text goes on from; - reads it from standard input.")] = "",
    model: ModelOption = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most characters, or words, to write.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 to 2: below 1 is safer, above 1 more varied, 0 takes the likeliest.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Only among this many likeliest tokens; 0 is off.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Only among the fewest tokens whose probabilities reach this sum; 1 is off.")
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1, tokens that the text has already become less likely.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; can be given several times.", metavar="TEXT")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes the text repeatable.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the text as it is written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object, and nothing else.")] = False,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Write text that goes on from a prompt, which is printed first.

    What is not given is the model's own default, which `recap models --json` shows.
    """
    if stream and as_json:
        fail("--stream and --json exclude each other")
    settings = read_settings(checkpoints=checkpoints, device=device)
    if prompt == "-":
        try:
            prompt = sys.stdin.read()
        except UnicodeDecodeError as error:
            fail(f"standard input is not {error.encoding}: {error.reason}")
    require_decoded(prompt, "the prompt")

    from app.errors import Refusal
    from app.http.body import parse
    from app.serving.loading import Loader
    from app.tasks.text.request import GenerationParameters
    from model.checkpoint import CheckpointError
    from model.tasks.text import TEXT
    from model.tasks.text.batch import generate as write

    checkpoint = find_checkpoint(settings, TEXT, model)
    given = {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "stop": tuple(stop) if stop else None,
        "seed": seed,
    }
    try:
        config = parse(GenerationParameters, given).over(checkpoint.config.generation)
        language_model = Loader(settings).load(checkpoint)
    except (Refusal, CheckpointError, ValueError) as error:
        fail(str(error))
    pieces, finish_reason = [], None
    if stream:
        _print(prompt)
    try:
        for delta in write(language_model, prompt, config):
            pieces.append(delta.text)
            finish_reason = delta.finish_reason
            if stream:
                _print(delta.text)
    except KeyboardInterrupt:
        if stream:
            _print("\n")
        raise typer.Exit(130) from None
    text = "".join(pieces)
    if as_json:
        answer = {"model": checkpoint.name, "prompt": prompt, "text": text, "finish_reason": finish_reason}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        _print("\n" if stream else f"{prompt}{text}\n")


def _print(text: str) -> None:
    typer.echo(text, nl=False)
    sys.stdout.flush()
