"""A checkpoint's captions of a split, scored."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.tasks.captioning.captioner import Caption
from model.tasks.captioning.config import DecodingConfig
from training.progress import progress
from training.tasks.captioning.calibration import calibration_error
from training.tasks.captioning.ensemble import Ensemble
from training.tasks.captioning.metrics import CaptionScorer
from training.tasks.captioning.readers import DataError, open_dataset


@dataclass(frozen=True)
class Evaluation:
    """Captions of a split, and what they are worth."""

    figures: dict[str, Any]
    """`split`, `images`, `beam_size`, each of `metrics.METRICS` that could be had, `calibration_error` of a
    checkpoint that is calibrated, `seconds` (of all of it), and `notes` where something was left out."""
    captions: dict[str, Caption]
    """Of each file."""
    scorer: CaptionScorer
    """Knows the references."""


def evaluate(
    checkpoints: Path | Sequence[Path],
    data: Path,
    split: str,
    *,
    beam_size: int | None = None,
    neutral: bool = False,
    captions_path: Path | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
) -> Evaluation:
    """Captions every picture of a split by beam search, one caption each, and scores them.

    Args:
        checkpoints: its folder; or those of several, which caption together: see `Ensemble`.
        data: a data set, as `open_dataset` takes it.
        split: `train`, `dev` or `test`.
        beam_size: the (first) checkpoint's own when left out, or 1 where that decodes greedily.
        neutral: caption without guessing at gender or the colour of skin even where that is not
            the checkpoint's own way.
        captions_path: where to write `{"file", "caption", "confidence", "references"}`, a line each.
        device: where the network runs.
        batch_size: pictures at a time.

    Raises:
        CheckpointError: a checkpoint is missing or damaged, no captioner, or has other words than the first.
        DataError: the data set, a picture or the split is missing or broken, or the captions can't be written.
        JavaError: the captions can't be tokenised.
        ValueError: `beam_size` is out of range.
    """
    start = time.perf_counter()
    ensemble = Ensemble.open([checkpoints] if isinstance(checkpoints, Path) else checkpoints, device)
    decoding = _beam_search(ensemble.members[0].config.decoding, beam_size, neutral)
    dataset = open_dataset(data)
    images = dataset.split(split)
    if captions_path:
        _make_folder(captions_path)  # now, rather than find out after all the work that it can't be
    captions: list[Caption] = []
    with progress("captions", len(images)) as bar:
        for grids in ensemble.read(images, batch_size):
            captions += ensemble.captions(grids, decoding)
            bar.advance(len(grids[0]))
    if captions_path:
        lines = [
            {
                "file": str(image.path.relative_to(dataset.root)),
                "caption": caption.text,
                "confidence": caption.confidence,
                "references": image.captions,
            }
            for image, caption in zip(images, captions, strict=True)
        ]
        _write(captions_path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    files = [str(image.path) for image in images]
    scorer = CaptionScorer({file: image.captions for file, image in zip(files, images, strict=True)})
    seen = [caption for image in dataset.images if image.split == "train" for caption in image.captions]
    texts = {file: caption.text for file, caption in zip(files, captions, strict=True)}
    scores = scorer.score(texts, training_captions=seen or None)
    figures = {"split": split, "images": len(images), "beam_size": decoding.beam_size, **scores}
    if calibration := ensemble.members[0].config.calibration:
        good = [cider >= calibration.threshold for cider in scorer.each(texts)]
        figures["calibration_error"] = calibration_error([caption.confidence for caption in captions], good)
    figures["seconds"] = round(time.perf_counter() - start, 1)
    if notes := [*dataset.notes, *scorer.notes]:
        figures["notes"] = notes
    return Evaluation(figures, dict(zip(files, captions, strict=True)), scorer)


def write_json(scores: Mapping[str, Any], path: Path) -> None:
    """Scores as JSON to a file, which is whole or not there, or to standard output where the path is `-`.

    Raises:
        DataError: the file can't be written.
    """
    text = json.dumps(scores, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        _make_folder(path)
        _write(path, text)


def _beam_search(own: DecodingConfig, beam_size: int | None, neutral: bool) -> DecodingConfig:
    """The checkpoint's decoding as a beam search for one caption; with a beam of 1 that is greedy decoding."""
    size = beam_size if beam_size is not None else 1 if own.method == "greedy" else own.beam_size
    largest = 10
    if not 1 <= size <= largest:
        raise ValueError(f"beam_size={size}: must be 1 to {largest}")
    changes = {"method": "beam", "beam_size": size, "num_captions": 1, "neutral": neutral or own.neutral}
    return DecodingConfig.model_validate(own.model_dump() | changes)


def _make_folder(path: Path) -> None:
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: {error}") from error


def _write(path: Path, text: str) -> None:
    """A file that is whole or not there."""
    path = path.absolute()
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}-", suffix=".tmp", encoding="utf-8", delete=False
        ) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DataError(f"{path}: {error}") from error
