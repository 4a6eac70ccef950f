"""The score of a captioner: its captions of a split against people's."""

import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from model.checkpoint import CARD, Checkpoint, save
from model.figures import Figure
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Caption, Captioner
from model.tasks.captioning.config import CaptionerConfig, DecodingConfig
from training.calibration import CalibrationError, calibrate, calibration_error
from training.data.pictures import check_pictures
from training.device import available_device
from training.files import make_folder, write_text
from training.task import Evaluation, Report
from training.tasks.captioning.ensemble import Ensemble
from training.tasks.captioning.metrics import CaptionScorer
from training.tasks.captioning.readers import CaptionedImage, open_dataset
from training.tasks.captioning.recipe import CaptioningRecipe, SeveralRecipe, TaggingRecipe
from training.tasks.captioning.wording import WORDING
from training.trainer import Validation

FIGURES = {
    **dict.fromkeys(("CIDEr", "BLEU-4", "METEOR", "ROUGE-L", "SPICE", "BLEU-1", "BLEU-2", "BLEU-3"), True),
    "unique": True,
    "novel": True,
    "bad_endings": False,
}
"""Whether a higher score is better, of those that tell how good captions are; most important first."""


def figures(scores: Mapping[str, float], split: str) -> list[Figure]:
    """The scores that `FIGURES` names, of a split."""
    return [
        Figure(name=name, label=name.replace("_", " "), value=scores[name], split=split, higher_is_better=better)
        for name, better in FIGURES.items()
        if name in scores
    ]


class DevScore:
    """The score of a captioner in training, on dev."""

    def __init__(self, images: Sequence[CaptionedImage]) -> None:
        self.images = images
        self.scorer = CaptionScorer({image.path.name: image.captions for image in images})

    @torch.inference_mode()
    def __call__(self, captioner: Captioner, grids: Iterable[Tensor]) -> Validation:
        """Captions and scores all pictures of dev, given as grids in their order, (B, P, E) each."""
        texts = [best[0].text for grid in grids for best in captioner.generate(grid, captioner.config.decoding)]
        captions = {image.path.name: text for image, text in zip(self.images, texts, strict=True)}
        scores = self.scorer.score(captions, metrics=("CIDEr", "BLEU-4", "unique", *WORDING))
        log: dict[str, float | str] = {f"dev/{name}": scores[name] for name in scores if name not in FIGURES}
        return Validation(figures(scores, "dev"), log)


@dataclass(frozen=True)
class CaptionEvaluation(Evaluation):
    """An evaluation with the captions that were scored."""

    captions: list[Caption]
    """One for each picture, in the order of the split."""
    scorer: CaptionScorer
    """Knows the references, and these captions' CIDEr."""


def evaluate(
    checkpoints: Sequence[Path],
    data: Path,
    split: str,
    *,
    beam_size: int | None = None,
    neutral: bool = False,
    captions_path: Path | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
) -> CaptionEvaluation:
    """Captions every picture of a split by beam search, one caption each, and scores them.

    Args:
        checkpoints: folders; several caption together, see `Ensemble`.
        data: a data set, as `open_dataset` takes it.
        split: `train`, `dev` or `test`.
        beam_size: the (first) checkpoint's own when left out, or 1 if that decodes greedily.
        neutral: caption without guessing at gender or the colour of skin, even if the checkpoint itself does guess.
        captions_path: where to write `{"file", "caption", "confidence", "references"}`, a line each.
        device: where the network runs.
        batch_size: pictures at a time.

    Returns:
        The report has `split`, `images`, `beam_size`, each of `metrics.METRICS` that could be had, `calibration_error`
        of a calibrated checkpoint, `seconds` (of all of it), and `notes` if something was left out.

    Raises:
        CheckpointError: a checkpoint is missing or damaged, no captioner, or has other words than the first.
        DataError: the data set, pictures or the split are missing or broken, or the captions can't be written.
        JavaError: the captions can't be tokenised.
        ValueError: `beam_size` is out of range.
    """
    start = time.perf_counter()
    ensemble = Ensemble.open(checkpoints, device)
    decoding = _beam_search(ensemble.members[0].config.decoding, beam_size, neutral)
    dataset = open_dataset(data)
    images = dataset.split(split)
    if captions_path:
        make_folder(captions_path)  # now: a folder that can't be made shows before the work is done
    check_pictures([image.path for image in images])
    captions: list[Caption] = []
    with tqdm(desc="captions", total=len(images), unit="picture", disable=None) as bar:
        for grids in ensemble.read(images, batch_size):
            captions += ensemble.captions(grids, decoding)
            bar.update(len(grids[0]))
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
        write_text(captions_path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    scorer = CaptionScorer({str(image.path): image.captions for image in images})
    seen = [caption for image in dataset.images if image.split == "train" for caption in image.captions]
    texts = {str(image.path): caption.text for image, caption in zip(images, captions, strict=True)}
    scores = scorer.score(texts, training_captions=seen or None)
    report: dict[str, Any] = {"split": split, "images": len(images), "beam_size": decoding.beam_size, **scores}
    if calibration := ensemble.members[0].config.calibration:
        confidences = torch.tensor([caption.confidence for caption in captions])  # (N,)
        report["calibration_error"] = calibration_error(
            confidences, torch.tensor(scorer.cider) >= calibration.threshold
        )
    report["seconds"] = round(time.perf_counter() - start, 1)
    if notes := [*dataset.notes, *scorer.notes]:
        report["notes"] = notes
    return CaptionEvaluation(figures(scores, split), report, captions, scorer)


def report(checkpoint: Path, recipe: CaptioningRecipe) -> Report:
    """Scores a trained captioner on dev, and calibrates it there if it can be."""
    paths = (recipe.data.path, *(recipe.more if isinstance(recipe, SeveralRecipe) else ()))
    found = {path.name: evaluate([checkpoint], path, "dev", device=available_device()) for path in paths}
    evaluation, *others = found.values()
    captioner = Checkpoint.open(checkpoint).expect(CAPTIONING).load()
    metrics, config = dict(evaluation.report), captioner.config
    if others:
        metrics["others"] = {name: other.report for name, other in found.items() if other is not evaluation}
    try:
        config, metrics["calibration"] = _calibrated(config, found)
    except CalibrationError as error:
        metrics["notes"] = [*metrics.get("notes", ()), f"not calibrated: {error}"]
    if isinstance(recipe, TaggingRecipe):
        from training.tasks.captioning.tagging import tag_report  # which imports the objectives' base

        tagging, metrics["tags"] = tag_report(captioner, recipe)
        config = config.model_copy(update={"tagging": tagging})
    metrics["vocabulary"] = len(captioner.vocabulary)
    metrics["data_sha256"] = open_dataset(recipe.data.path).sha256()
    return Report(evaluation.figures, metrics, config)


def calibrate_checkpoint(path: Path, data: Sequence[Path]) -> dict[str, Any]:
    """Calibrates a checkpoint on data sets' dev, and returns the figures of `training.calibration.calibrate`.

    Of several data sets, each one's error is told too, by the name of its folder. The checkpoint's weights and its card
    stay as they are; the card should tell the figures.

    Raises:
        CalibrationError: the captions can't be calibrated.
        CheckpointError: the checkpoint is missing or damaged, or no captioner.
        DataError: the data set, or its dev split, is missing or broken.
    """
    found = {folder.name: evaluate([path], folder, "dev", device=available_device()) for folder in data}
    checkpoint = Checkpoint.open(path).expect(CAPTIONING)
    captioner = checkpoint.load()
    captioner.config, calibration = _calibrated(captioner.config, found)
    metrics = {**checkpoint.metrics, "calibration": calibration}
    card = (path / CARD).read_text(encoding="utf-8")
    save(path, CAPTIONING, captioner, name=checkpoint.name, metrics=metrics, card=card)
    return calibration


def _calibrated(
    config: CaptionerConfig, found: Mapping[str, CaptionEvaluation]
) -> tuple[CaptionerConfig, dict[str, Any]]:
    """The configuration with a calibration on the captions of all data sets, and how good that is, also on each.

    A caption is good if its CIDEr reaches the median of people's own sentences, each against the others of its picture.
    """
    people = [value for part in found.values() for value in part.scorer.people()]
    if not people:
        raise CalibrationError("there is one sentence a picture, so people's can't be compared with each other")
    probabilities = {name: [caption.probability for caption in part.captions] for name, part in found.items()}
    calibration, scores = calibrate(
        [value for values in probabilities.values() for value in values],
        [value for part in found.values() for value in part.scorer.cider],
        statistics.median(people),
    )
    if len(found) > 1:
        for name, part in found.items():
            confidences = torch.tensor([calibration.confidence(value) for value in probabilities[name]])  # (N,)
            good = torch.tensor(part.scorer.cider) >= calibration.threshold  # (N,)
            scores[f"{name}_error"] = calibration_error(confidences, good)
    return config.model_copy(update={"calibration": calibration}), scores


def _beam_search(own: DecodingConfig, beam_size: int | None, neutral: bool) -> DecodingConfig:
    """The checkpoint's decoding as a beam search for one caption; with a beam of 1 that is greedy decoding."""
    size = beam_size if beam_size is not None else 1 if own.method == "greedy" else own.beam_size
    largest = 10
    if not 1 <= size <= largest:
        raise ValueError(f"beam_size={size}: must be 1 to {largest}")
    changes = {"method": "beam", "beam_size": size, "num_captions": 1, "neutral": neutral or own.neutral}
    return DecodingConfig.model_validate(own.model_dump() | changes)
