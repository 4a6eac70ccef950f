"""`recap models`."""

import json
from typing import Annotated

import typer

from app.commands import Checkpoints, fail, read_settings

FIGURES = 3
"""Most figures that the table shows of a model; --json has all of them."""


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, and nothing else.")] = False,
    checkpoints: Checkpoints = None,
) -> None:
    """List the models."""
    settings = read_settings(checkpoints=checkpoints)

    from app.routes.models import model_list
    from app.serving.registry import Registry
    from app.tasks import PREFERRED, TASKS
    from model.checkpoint import CheckpointError
    from model.figures import figures_of

    try:
        registry = Registry.open(settings.checkpoint_folder(), settings.defaults, PREFERRED)
        cards = [card.model_dump() for card in model_list(registry).data]
        rows = [("model", "task", "network", "weights", "figures")]
        for card in cards:
            name = f"{card['id']} (default)" if card["default"] else card["id"]
            network = TASKS[registry.get(card["id"]).task.name].network(card)
            best = figures_of(card["metrics"])[:FIGURES]
            figures = ", ".join(f"{figure.label} {figure.value:.3f}" for figure in best)
            rows.append((name, card["task"], network, card["sha256"][:12], figures))
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(cards, ensure_ascii=False, indent=2))
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
