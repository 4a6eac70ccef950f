"""A trained captioner to a checkpoint that says where it comes from and how good it is."""

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from model.captioner import Captioner
from model.checkpoint import Checkpoint, save
from training.data import CaptionDataset, open_dataset
from training.evaluate import evaluate
from training.recipe import CaptionerRecipe

FIGURES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE", "unique", "novel")


def publish(recipe: CaptionerRecipe, captioner: Captioner, *, seconds: float) -> Checkpoint:
    """Scores the checkpoint as it will be served, and writes it to `recipe.output` with its figures and its card.

    What stands there is replaced at the end only, so that a failed evaluation loses nothing.

    Args:
        recipe: how it was trained.
        captioner: the model.
        seconds: of training.
    """
    with tempfile.TemporaryDirectory(dir=recipe.run) as folder:
        candidate = save(Path(folder, recipe.name), captioner, name=recipe.name, metrics={}, card="")
        figures = evaluate(candidate.path, recipe.data.path, "dev")
    metrics = figures | {
        "vocabulary": len(captioner.vocabulary),
        "training_seconds": round(seconds),
        "data_sha256": data_sha256(open_dataset(recipe.data.path)),
        "command": shlex.join(["recap-train", *sys.argv[1:]]),
        "git_revision": _git_revision(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"),
        "torch": torch.__version__,
        "recipe": json.loads(recipe.model_dump_json()),
    }
    return save(recipe.output, captioner, name=recipe.name, metrics=metrics, card=_card(recipe, metrics))


def data_sha256(data: CaptionDataset) -> str:
    """Of which picture has which captions in which split; what tells two versions of a data set apart."""
    digest = hashlib.sha256()
    for image in sorted(data.images, key=lambda image: image.path.name):
        digest.update(json.dumps([image.path.name, image.split, image.captions]).encode())
    return digest.hexdigest()


def _git_revision() -> str | None:
    """The commit the code was at, where it runs from a checkout."""
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def _card(recipe: CaptionerRecipe, metrics: dict[str, Any]) -> str:
    figures = [name for name in FIGURES if name in metrics]
    return f"""# {recipe.name}

An image captioner: {recipe.encoder.name} encoder at {recipe.encoder.preprocessing.size} pixels,
{recipe.decoder.kind} {recipe.decoder.cell.upper()} decoder, trained with cross-entropy.

## Data

{recipe.data.description or recipe.data.path.name}

## Figures

{metrics["images"]} pictures of the {metrics["split"]} split, beam {metrics["beam_size"]}, raw references, PTB tokens;
`unique` is the number of different captions by the number of pictures, `novel` the share that no training picture has.

| {" | ".join(figures)} |
|{"---|" * len(figures)}
| {" | ".join(f"{metrics[name]:.3f}" for name in figures)} |

Measured with `recap-train evaluate --checkpoint {recipe.output} --data {recipe.data.path} --split dev`.

## Intended use and limits

First drafts of alternative text that a person checks. It knows {metrics["vocabulary"]} words and the scenes of
its training pictures, and describes everything else in terms of them. It guesses at people's gender and age.
"""
