"""A trained model to a checkpoint that says where it comes from and how good it is."""

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jinja2
import torch

from model.checkpoint import Checkpoint, save
from training.front_matter import front_matter
from training.recipe import Recipe
from training.task import Report, TaskTraining
from training.tasks import TASKS


def publish(
    recipe: Recipe, model: torch.nn.Module, *, seconds: float, start_score: float | None = None
) -> Checkpoint[Any, Any]:
    """Scores a model as it will be served, and writes it to `recipe.output` with its figures and its card.

    A checkpoint that stands there is replaced at the end only, so that a failed evaluation loses nothing. `seconds` is
    the training time, and `start_score` the first figure, on dev, of the checkpoint that training started from.
    """
    training = TASKS[recipe.task]
    with tempfile.TemporaryDirectory(dir=recipe.run) as folder:
        candidate = save(Path(folder, recipe.name), training.task, model, name=recipe.name, metrics={}, card="")
        report = training.report(candidate.path, recipe)
    model.config = report.config  # type: ignore[assignment]
    figures = [figure.model_dump() for figure in report.figures]
    metrics = {"figures": figures, **report.metrics, **_provenance(recipe, seconds)}
    if start_score is not None:
        metrics[f"start_{report.figures[0].name}"] = start_score
    text = card(training, recipe, report, metrics)
    return save(recipe.output, training.task, model, name=recipe.name, metrics=metrics, card=text)


def card(training: TaskTraining, recipe: Recipe, report: Report, metrics: dict[str, Any]) -> str:
    """Renders the task's template."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string(training.card.read_text(encoding="utf-8"))
    text = template.render(recipe=recipe, config=report.config, metrics=metrics, figures=report.figures, **report.card)
    data = Path(recipe.data.path)  # type: ignore[attr-defined]  # each task's recipe has it
    name = data.parent.name if data.suffix else data.name  # of a file, that of its folder
    front = front_matter(recipe.name, training.task.pipeline, name, report.figures)
    return f"{front}\n{text}"


def _provenance(recipe: Recipe, seconds: float) -> dict[str, Any]:
    """The origin of a checkpoint: time, command, code, machine and recipe."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return {
        "training_seconds": round(seconds),
        "command": shlex.join(["recap-train", *sys.argv[1:]]),
        "git_revision": _git_revision(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {gpu}",
        "torch": torch.__version__,
        "recipe": json.loads(recipe.model_dump_json()),
    }


def _git_revision() -> str | None:
    """The commit of the code, if it runs from a checkout and git is installed."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return found.stdout.strip() or None
