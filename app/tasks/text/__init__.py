"""Text: prompts in, continuations out, over HTTP and on the command line."""

from functools import cache
from pathlib import Path
from typing import Any

from app.tasks.task import TaskService
from app.tasks.text.command import generate


@cache
def _characters(path: Path, sha256: str) -> str:
    """The characters in a vocabulary's file, which is read once for its digest."""
    from model.vocabulary import SPECIALS, Vocabulary

    return "".join(Vocabulary.read(path).words[len(SPECIALS) :])


def _alphabet(checkpoint: Any) -> str | None:
    (asset,) = (asset for asset in checkpoint.task.assets if asset.name == "vocabulary")
    if checkpoint.config.unit != "character":
        return None
    return _characters(checkpoint.path / asset.file, checkpoint.manifest.sha256[asset.file])


SERVICE = TaskService(
    name="text",
    default="shakespeare",
    loader="worker:load_worker",
    routes=("openai:router", "states:router"),
    handler="huggingface:HANDLER",
    schema="schemas:LanguageModelCard",
    fields=lambda checkpoint: {
        "unit": checkpoint.config.unit,
        "cell": checkpoint.config.cell,
        "num_layers": checkpoint.config.num_layers,
        "hidden_size": checkpoint.config.hidden_size,
        "generation": checkpoint.config.generation.model_dump(),
        "characters": _alphabet(checkpoint),
        "readable_cells": checkpoint.has("readable"),
    },
    network="{num_layers} x {hidden_size} {cell}, {unit}s".format_map,
    command=generate,
)
