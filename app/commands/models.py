"""`recap models`."""

import json
from typing import Annotated, Any

import typer

from app.commands import Checkpoints, fail, read_settings

_CAPTION_FIGURES = ("BLEU-4", "METEOR", "CIDEr")
_TEXT_FIGURES = ("perplexity", "nats_per_character", "bits_per_character")


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
    checkpoints: Checkpoints = None,
) -> None:
    """List the models."""
    settings = read_settings(checkpoints=checkpoints)

    from app.routes.models import model_list
    from app.serving.registry import Registry
    from model.checkpoint import CheckpointError

    try:
        cards = model_list(Registry.open(settings.checkpoints, settings.defaults)).data
    except CheckpointError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps([card.model_dump() for card in cards], ensure_ascii=False, indent=2))
        return
    rows = [("model", "task", "network", "weights", "figures")]
    card: Any
    for card in cards:
        name = f"{card.id} (default)" if card.default else card.id
        rows.append((name, card.task, _network(card), card.sha256[:12], _figures(card)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _network(card: Any) -> str:
    if card.task == "image-to-text":
        return f"{card.encoder}, {card.decoder}"
    return f"{card.num_layers} x {card.hidden_size} {card.cell}, {card.unit}s"


def _figures(card: Any) -> str:
    if card.task == "image-to-text":
        return ", ".join(f"{name} {card.metrics[name]:.3f}" for name in _CAPTION_FIGURES if name in card.metrics)
    found = card.metrics.get("validation", {})
    return ", ".join(f"{name.replace('_', ' ')} {found[name]:.3f}" for name in _TEXT_FIGURES if name in found)
