"""The score of a translator: its translations of a split against people's, by sacreBLEU."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from model.checkpoint import Checkpoint
from model.figures import Figure
from model.tasks.translation import TRANSLATION
from model.tasks.translation.translator import Translation, Translator
from training.calibration import CalibrationError, calibrate
from training.device import available_device
from training.task import Evaluation, Report
from training.tasks.translation.reader import Pairs, has_split, read_pairs
from training.tasks.translation.recipe import ParallelTextRecipe
from training.trainer import Validation

LABELS = {"BLEU": "BLEU", "BLEU_lc": "BLEU, lower case", "chrF": "chrF"}
"""Scores, most important first: all of them from 0 to 100, and better when higher."""

GOOD = 60.0
"""Sentence chrF from which on a translation counts as good, for the confidence: about that of a translation which says
the same in mostly the same words."""


class Scores(NamedTuple):
    """The scores of a translated text, and how sacreBLEU computed them."""

    values: dict[str, float]
    signatures: dict[str, str]

    def figures(self, split: str) -> list[Figure]:
        return [
            Figure(name=name, label=label, value=self.values[name], split=split, higher_is_better=True)
            for name, label in LABELS.items()
        ]


def score(translations: Sequence[str], references: Sequence[str]) -> Scores:
    """Scores translations in the order of their references, untokenised as they are."""
    metrics = {"BLEU": BLEU(), "BLEU_lc": BLEU(lowercase=True), "chrF": CHRF()}
    values = {name: metric.corpus_score(translations, [references]).score for name, metric in metrics.items()}
    return Scores(values, {name: str(metric.get_signature()) for name, metric in metrics.items()})


class DevScore:
    """The score of a translator in training, on dev, with the likeliest piece each time, which is fast."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __call__(self, model: Translator) -> Validation:
        greedy = model.config.decoding.model_copy(update={"beam_size": 1, "num_translations": 1})
        found = model.translate(self.pairs.sources, greedy, batch_size=128)
        scores = score([best[0].text for best in found], self.pairs.targets)
        samples = zip(self.pairs.sources, found, self.pairs.targets, strict=True)
        lines = [f"    {source}\n    {best[0].text}\n    ({target})" for source, best, target in [*samples][:5]]
        return Validation(scores.figures("dev"), {"sample": "\n\n".join(lines)})


class TranslationEvaluation(NamedTuple):
    """Translations of a split, and their scores."""

    pairs: Pairs
    translations: list[Translation]
    scores: Scores
    seconds: float

    def report(self, split: str) -> dict[str, Any]:
        signatures = {f"{name}_signature": text for name, text in self.scores.signatures.items()}
        counts = {"split": split, "sentences": len(self.translations)}
        return counts | self.scores.values | signatures | {"seconds": round(self.seconds, 1)}


def translate_split(model: Translator, data: Path, split: str) -> TranslationEvaluation:
    """Translates a split by the model's own search, and scores it; raises what `read_pairs` does."""
    start = time.perf_counter()
    pairs = read_pairs(data, split, model.config.source, model.config.target)
    own = model.config.decoding.model_copy(update={"num_translations": 1})
    best = [found[0] for found in model.translate(pairs.sources, own)]
    scores = score([translation.text for translation in best], pairs.targets)
    return TranslationEvaluation(pairs, best, scores, time.perf_counter() - start)


def evaluate(checkpoints: Sequence[Path], data: Path, split: str, *, device: torch.device | str = "cpu") -> Evaluation:
    """Scores a translator on a split of a folder of parallel text.

    The report has `split`, `sentences`, each of `LABELS` with sacreBLEU's signature, and `seconds`.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, or no translator.
        DataError: the text can't be read, or has no such split.
    """
    (path,) = checkpoints
    found = translate_split(Checkpoint.open(path).expect(TRANSLATION).load(device), data, split)
    return Evaluation(found.scores.figures(split), found.report(split))


def report(checkpoint: Path, recipe: ParallelTextRecipe) -> Report:
    """Scores a trained translator on dev and, where it is there, on test; its confidence is calibrated on dev."""
    model = Checkpoint.open(checkpoint).expect(TRANSLATION).load(available_device())
    config, data = model.config, recipe.data.path
    languages = config.source, config.target
    splits = [split for split in ("dev", "test") if has_split(data, split, *languages)]
    found = {split: translate_split(model, data, split) for split in splits}
    metrics: dict[str, Any] = {split: evaluation.report(split) for split, evaluation in found.items()}
    metrics |= {"subwords": len(model.subwords), "parameters": sum(part.numel() for part in model.parameters())}
    metrics["data_sha256"] = {split: evaluation.pairs.sha256 for split, evaluation in found.items()}
    dev = found["dev"]
    sentence = CHRF()
    quality = [
        sentence.sentence_score(translation.text, [reference]).score
        for translation, reference in zip(dev.translations, dev.pairs.targets, strict=True)
    ]
    try:
        probabilities = [translation.probability for translation in dev.translations]
        calibration, metrics["calibration"] = calibrate(probabilities, quality, GOOD)
        config = config.model_copy(update={"calibration": calibration})
    except CalibrationError as error:
        metrics["notes"] = [f"not calibrated: {error}"]
    samples = [
        (source, translation.text, target)
        for source, translation, target in zip(dev.pairs.sources, dev.translations, dev.pairs.targets, strict=True)
    ][:5]
    figures = [figure for split, evaluation in found.items() for figure in evaluation.scores.figures(split)]
    return Report(figures, metrics, config, {"samples": samples})
