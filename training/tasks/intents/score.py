"""The score of an intent classifier, and the operating point and the calibration that dev decides."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from model.checkpoint import Checkpoint
from model.figures import Figure
from model.tasks.intents import INTENTS
from model.tasks.intents.classifier import IntentClassifier
from model.tasks.intents.config import IntentConfig
from training.calibration import calibration_error
from training.data.base import DataError
from training.device import available_device
from training.task import Evaluation, Report
from training.tasks.intents.reader import IntentDataset, Queries, read_dataset
from training.tasks.intents.recipe import ClassificationRecipe

BATCH = 256
TEMPERATURES = torch.linspace(-1.5, 1.5, 301).exp()
"""Temperatures that are tried, 0.22 to 4.5."""

THRESHOLDS = [step / 20 for step in range(21)]
"""Thresholds whose accuracy and recall are reported."""


@dataclass(frozen=True)
class IntentScore:
    """The quality of a classifier on a split, at an operating point."""

    accuracy: float
    """Share of the queries with an intent that get it, and are not taken for out of scope."""
    recall: float
    """Share of the queries out of scope that are found."""
    auroc: float
    """Probability that a query with an intent is surer of its likeliest than one that is out of scope."""
    calibration_error: float
    """Expected distance of confidence and share of right answers."""
    unrejected: float
    """Accuracy if nothing were taken for out of scope."""

    def figures(self, split: str, out_of_scope: float) -> list[Figure]:
        """The figures, first the accuracy where a share of requests is out of scope."""
        both = (1 - out_of_scope) * self.accuracy + out_of_scope * self.recall
        found = {
            "score": (f"accuracy with {out_of_scope:.0%} out of scope", both, True),
            "accuracy": ("in-scope accuracy", self.accuracy, True),
            "recall": ("out-of-scope recall", self.recall, True),
            "auroc": ("AUROC of out of scope", self.auroc, True),
            "calibration_error": ("calibration error", self.calibration_error, False),
        }
        return [
            Figure(name=name, label=label, value=value, split=split, higher_is_better=higher)
            for name, (label, value, higher) in found.items()
        ]


def logits_of(model: IntentClassifier, texts: Sequence[str]) -> Tensor:
    """Logits (N, V) of texts, on the CPU."""
    sentences = [model.encode(text) for text in texts]
    order = sorted(range(len(sentences)), key=lambda place: len(sentences[place].words))
    logits = torch.empty(len(sentences), len(model.intents) + 1)  # (N, V)
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        logits[places] = model.logits([sentences[place] for place in places])
    return logits


def fit(logits: Tensor, labels: Tensor, out_of_scope: float) -> tuple[float, float]:
    """The temperature with the least cross-entropy, and then the threshold with the greatest accuracy.

    Args:
        logits: (N, V), the last class is out of scope.
        labels: (N,).
        out_of_scope: expected share of requests out of scope.
    """
    costs = torch.stack([cross_entropy(logits / temperature, labels) for temperature in TEMPERATURES])
    temperature = float(TEMPERATURES[costs.argmin()])
    best = (logits / temperature).softmax(-1)[:, :-1].max(-1)
    inside = labels < logits.shape[1] - 1
    gain = (1 - out_of_scope) * (inside & (best.indices == labels)) / inside.sum() - out_of_scope * ~inside / (
        ~inside
    ).sum()
    order = best.values.argsort(descending=True)
    place = int(gain[order].double().cumsum(0).argmax())  # the last that is taken for in scope
    least = float(best.values[order[place]])
    following = float(best.values[order[place + 1]]) if place + 1 < len(order) else 0.0
    return temperature, (least + following) / 2


def score(logits: Tensor, labels: Tensor, temperature: float, threshold: float) -> IntentScore:
    """The score of logits (N, V) against labels (N,), some of which are out of scope."""
    best = (logits / temperature).softmax(-1)[:, :-1].max(-1)
    inside = labels < logits.shape[1] - 1
    kept, right = best.values >= threshold, best.indices == labels
    confidence = torch.where(kept, best.values, 1 - best.values)
    good = torch.where(kept, inside & right, ~inside)
    ranks = best.values.double().argsort().argsort()[~inside] + 1.0  # places of those out of scope, from 1
    outside = len(ranks)
    below = ranks.sum() - outside * (outside + 1) / 2  # pairs in which one in scope is less sure
    return IntentScore(
        accuracy=float((inside & right & kept).sum() / inside.sum()),
        recall=float((~inside & ~kept).sum() / outside),
        auroc=float(1 - below / (outside * inside.sum())),
        calibration_error=calibration_error(confidence, good),
        unrejected=float((inside & right).sum() / inside.sum()),
    )


def operating_points(logits: Tensor, labels: Tensor, temperature: float) -> list[dict[str, float]]:
    """In-scope accuracy and out-of-scope recall of logits (N, V) at each of `THRESHOLDS`."""
    best = (logits / temperature).softmax(-1)[:, :-1].max(-1)
    inside = labels < logits.shape[1] - 1
    right = inside & (best.indices == labels)
    points = []
    for threshold in THRESHOLDS:
        kept = best.values >= threshold
        accuracy, recall = (right & kept).sum() / inside.sum(), (~inside & ~kept).sum() / (~inside).sum()
        points.append(
            {"threshold": threshold, "accuracy": round(accuracy.item(), 4), "recall": round(recall.item(), 4)}
        )
    return points


def evaluate(checkpoints: Sequence[Path], data: Path, split: str, *, device: torch.device | str = "cpu") -> Evaluation:
    """Scores a classifier at its own operating point on a split in CLINC150's layout.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, or no intent classifier.
        DataError: the data can't be read, have no such split, or other intents.
    """
    (path,) = checkpoints
    checkpoint = Checkpoint.open(path).expect(INTENTS)
    dataset = read_dataset(data)
    model = checkpoint.load(device)
    if dataset.intents.names != model.intents.names:
        raise DataError(f"{data}: has other intents than {path}")
    recipe = checkpoint.metrics.get("recipe", {}).get("training", {})
    return _evaluation(model, dataset.split(split), split, recipe.get("out_of_scope", 0.1))


def report(checkpoint: Path, recipe: ClassificationRecipe) -> Report:
    """Fits the operating point and the calibration of a trained classifier on dev, and scores it there."""
    dataset = read_dataset(recipe.data.path)
    model = Checkpoint.open(checkpoint).expect(INTENTS).load(available_device())
    share = recipe.training.out_of_scope
    model.config = fitted(model, dataset, share)
    found = {
        split: _evaluation(model, dataset.split(split), split, share) for split in dataset.splits if split != "train"
    }
    return Report(
        figures=[figure for evaluation in found.values() for figure in evaluation.figures],
        metrics={
            **{split: evaluation.report for split, evaluation in found.items()},
            "intents": len(model.intents),
            "vocabulary": len(model.vocabulary),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "data_sha256": dataset.sha256,
        },
        config=model.config,
    )


def fitted(model: IntentClassifier, dataset: IntentDataset, out_of_scope: float) -> IntentConfig:
    """The configuration of a model, with the temperature and the threshold that dev decides."""
    dev = dataset.split("dev")
    temperature, threshold = fit(logits_of(model, dev.texts), torch.tensor(dev.labels), out_of_scope)
    return model.config.model_copy(update={"temperature": temperature, "threshold": threshold})


def _evaluation(model: IntentClassifier, queries: Queries, split: str, out_of_scope: float) -> Evaluation:
    began = time.perf_counter()
    labels = torch.tensor(queries.labels)
    logits = logits_of(model, queries.texts)
    found = score(logits, labels, model.config.temperature, model.config.threshold)
    inside = int((labels < len(model.intents)).sum())
    figures = found.figures(split, out_of_scope)
    return Evaluation(
        figures,
        {
            "split": split,
            "queries": inside,
            "out_of_scope_queries": len(labels) - inside,
            **{figure.name: figure.value for figure in figures},
            "unrejected_accuracy": found.unrejected,
            "threshold": model.config.threshold,
            "operating_points": operating_points(logits, labels, model.config.temperature),
            "seconds": round(time.perf_counter() - began, 1),
        },
    )
