"""A trained model to a checkpoint that says where it comes from and how good it is."""

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import CARD, Checkpoint, save
from model.task import C, M, Task
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig
from model.tasks.text import TEXT
from model.tasks.text.language import LanguageModel
from training.data.text import read_text, split_text
from training.evaluate import Evaluation, evaluate
from training.recipe import LanguageRecipe, Recipe, SelfCriticalRecipe, StageRecipe, TuningRecipe
from training.run_state import available_device
from training.tasks.captioning.calibration import CalibrationError, calibrate
from training.tasks.captioning.readers import CaptionDataset, open_dataset
from training.tasks.text.objective import sample
from training.tasks.text.score import evaluate_text

FIGURES = (
    *("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE"),
    *("unique", "novel", "bad_endings"),
)
SAMPLE_TOKENS = 600
"""Of the text in a language model's card."""


def publish_captioner(
    recipe: StageRecipe,
    captioner: Captioner,
    *,
    seconds: float,
    start_score: float | None = None,
) -> Checkpoint[Any, Any]:
    """Scores the checkpoint as it will be served, and writes it to `recipe.output` with its figures and its card.

    What stands there is replaced at the end only, so that a failed evaluation loses nothing.

    Args:
        recipe: how it was trained.
        captioner: the model.
        seconds: of training.
        start_score: dev CIDEr of the checkpoint that training started from.
    """
    with _candidate(recipe, CAPTIONING, captioner) as path:
        evaluation = evaluate(path, recipe.data.path, "dev", device=available_device())
    figures = dict(evaluation.figures)
    try:
        captioner.config, figures["calibration"] = _calibrated(captioner.config, evaluation)
    except CalibrationError as error:
        figures["notes"] = [*figures.get("notes", ()), f"not calibrated: {error}"]
    metrics = {
        **figures,
        "vocabulary": len(captioner.vocabulary),
        "data_sha256": data_sha256(open_dataset(recipe.data.path)),
        **_provenance(recipe, seconds),
    }
    if start_score is not None:
        metrics["start_CIDEr"] = start_score
    card = _captioner_card(recipe, captioner, metrics)
    return save(recipe.output, CAPTIONING, captioner, name=recipe.name, metrics=metrics, card=card)


def calibrate_checkpoint(path: Path, data: Path) -> dict[str, float]:
    """Calibrates a checkpoint on dev. Its weights and its card stay as they are; the card should tell the figures.

    Returns:
        The figures of `training.tasks.captioning.calibration.calibrate`.

    Raises:
        CalibrationError: it can't be.
        CheckpointError: the checkpoint is missing or damaged, or no captioner.
        DataError: the data set, or its dev split, is missing or broken.
    """
    evaluation = evaluate(path, data, "dev", device=available_device())
    checkpoint = Checkpoint.open(path).expect(CAPTIONING)
    captioner = checkpoint.load()
    captioner.config, figures = _calibrated(captioner.config, evaluation)
    metrics = {**checkpoint.metrics, "calibration": figures}
    save(
        path,
        CAPTIONING,
        captioner,
        name=checkpoint.name,
        metrics=metrics,
        card=(path / CARD).read_text(encoding="utf-8"),
    )
    return figures


def _calibrated(config: CaptionerConfig, evaluation: Evaluation) -> tuple[CaptionerConfig, dict[str, float]]:
    captions = evaluation.captions
    calibration, figures = calibrate(
        [caption.probability for caption in captions.values()],
        evaluation.scorer.each({file: caption.text for file, caption in captions.items()}),
        evaluation.scorer.people(),
    )
    return config.model_copy(update={"calibration": calibration}), figures


def publish_language_model(recipe: LanguageRecipe, model: LanguageModel, *, seconds: float) -> Checkpoint[Any, Any]:
    """As `publish_captioner`, with the scores of the validation text, and of the test text where there is one."""
    text = split_text(
        read_text(recipe.data.path, recipe.data.pattern), validation=recipe.data.validation, test=recipe.data.test
    )
    with _candidate(recipe, TEXT, model) as path:
        figures = {
            split: evaluate_text(path, recipe.data.path, split, device=available_device(), recipe=recipe)
            for split, part in (("validation", text.validation), ("test", text.test))
            if part
        }
        loaded = Checkpoint.open(path).expect(TEXT).load()
    metrics = {
        **figures,
        "vocabulary": len(model.vocabulary),
        "data_sha256": text.sha256,
        **_provenance(recipe, seconds),
    }
    card = _language_card(recipe, metrics, sample(loaded, SAMPLE_TOKENS))
    return save(recipe.output, TEXT, model, name=recipe.name, metrics=metrics, card=card)


@contextmanager
def _candidate(recipe: Recipe, task: Task[C, M], model: M) -> Iterator[Path]:
    """The checkpoint without figures, for as long as it takes to have them."""
    with tempfile.TemporaryDirectory(dir=recipe.run) as folder:
        yield save(Path(folder, recipe.name), task, model, name=recipe.name, metrics={}, card="").path


def _provenance(recipe: Recipe, seconds: float) -> dict[str, Any]:
    """What made a checkpoint: time, command, code, machine and recipe."""
    return {
        "training_seconds": round(seconds),
        "command": shlex.join(["recap-train", *sys.argv[1:]]),
        "git_revision": _git_revision(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"),
        "torch": torch.__version__,
        "recipe": json.loads(recipe.model_dump_json()),
    }


def data_sha256(data: CaptionDataset) -> str:
    """Of which picture has which captions in which split; what tells two versions of a data set apart."""
    digest = hashlib.sha256()
    for image in sorted(data.images, key=lambda image: image.path.name):
        digest.update(json.dumps([image.path.name, image.split, image.captions]).encode())
    return digest.hexdigest()


def _git_revision() -> str | None:
    """The commit the code was at, where it runs from a checkout and there is a git to ask."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return found.stdout.strip() or None


def _captioner_card(recipe: StageRecipe, captioner: Captioner, metrics: dict[str, Any]) -> str:
    figures = [name for name in FIGURES if name in metrics]
    encoder, decoder = captioner.config.encoder, captioner.config.decoder
    how = "trained with cross-entropy"
    if isinstance(recipe, SelfCriticalRecipe):
        how = f"trained from {recipe.start}\n(CIDEr {metrics['start_CIDEr']:.3f}) on the CIDEr-D of its own captions"
    elif isinstance(recipe, TuningRecipe):
        how = f"trained together with cross-entropy\nfrom {recipe.start} (CIDEr {metrics['start_CIDEr']:.3f})"
    return f"""# {recipe.name}

An image captioner: {encoder.name} encoder at {encoder.preprocessing.size} pixels,
{decoder.kind} {decoder.cell.upper()} decoder, {how}.

## Data

{recipe.data.description or recipe.data.path.name}

## Figures

{metrics["images"]} pictures of the {metrics["split"]} split, beam {metrics["beam_size"]}, raw references, PTB tokens;
`unique` is the number of different captions by the number of pictures, `novel` the share that no training picture has,
`bad_endings` the share that ends in a determiner, preposition or conjunction.

| {" | ".join(figures)} |
|{"---|" * len(figures)}
| {" | ".join(f"{metrics[name]:.3f}" for name in figures)} |

Measured with `recap-train evaluate --checkpoint {recipe.output} --data {recipe.data.path} --split dev`.

{_confidence(metrics)}## Intended use and limits

First drafts of alternative text that a person checks. It knows {metrics["vocabulary"]} words and the scenes of
its training pictures, and describes everything else in terms of them. It guesses at people's gender and age.
"""


def _confidence(metrics: dict[str, Any]) -> str:
    figures = metrics.get("calibration")
    if figures is None:
        return ""
    return f"""## Confidence

`confidence` is the probability that a caption is as close to the references as half of people's own sentences are to
the others: that its CIDEr reaches {figures["threshold"]:.3f}, which {figures["good"]:.0%} of the captions do. Expected
calibration error {figures["error"]:.3f} (ten groups, ten-fold cross-validation); of the geometric mean probability as
it is, {figures["uncalibrated_error"]:.3f}. Fitted to captions as the model gives them by default.

"""


def _language_card(recipe: LanguageRecipe, metrics: dict[str, Any], written: str) -> str:
    model = recipe.model
    names = [
        name for name in ("perplexity", "nats_per_character", "bits_per_character") if name in metrics["validation"]
    ]
    splits = [split for split in ("validation", "test") if split in metrics]
    rows = [[split, *(f"{metrics[split][name]:.4f}" for name in names)] for split in splits]
    shown = textwrap.indent(written, "    ")
    return f"""# {recipe.name}

A language model by {model.unit}: {model.num_layers} x {model.hidden_size} {model.cell.upper()} over
{metrics["vocabulary"]} tokens, trained with truncated backpropagation through time.

## Data

{recipe.data.description or recipe.data.path.name}

## Figures

| text | {" | ".join(name.replace("_", " ") for name in names)} |
|{"---|" * (len(names) + 1)}
{chr(10).join(f"| {' | '.join(row)} |" for row in rows)}

Over the whole text, the state carried along. The weights were chosen on the validation text. Measured with
`recap-train evaluate --checkpoint {recipe.output} --data {recipe.data.path} --split {splits[-1]}`.

## A sample

Temperature {model.generation.temperature}, seed 1, after a line break.

{shown}

## Intended use and limits

To see what a recurrent network learns of a text's form. It writes what looks like its training text, and means nothing
by it.
"""
