"""The probability that a caption is good, learnt from captions whose CIDEr is known.

A caption is good if its CIDEr reaches the median of people's own sentences, each against the others of its picture. The
map from the model's own probability is Platt's ("Probabilistic Outputs for Support Vector Machines", 1999): two
numbers, for which a thousand captions are plenty.
"""

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor

from model.tasks.captioning.config import CalibrationConfig
from training.errors import TrainingError

BINS = 10
FOLDS = 10
FEWEST = 100
"""Least number of captions that a calibration is learnt from."""


class CalibrationError(TrainingError):
    """The captions can't be calibrated; the message says why."""


def calibrate(
    probabilities: Sequence[float], cider: Sequence[float], people: Sequence[float]
) -> tuple[CalibrationConfig, dict[str, float]]:
    """The calibration of a model, and how good it is.

    Args:
        probabilities: geometric mean of the tokens' probabilities of each caption.
        cider: CIDEr of each caption.
        people: CIDEr of people's sentences against the others of their picture.

    Returns:
        The calibration; and its `threshold` of CIDEr, the share of captions that are `good`, the expected calibration
        `error` of captions that were not fitted (ten-fold cross-validation), and the `uncalibrated_error` of the
        probabilities as they are.

    Raises:
        CalibrationError: pictures have one sentence each, captions are few, all or none are good, or likelier ones are
            no better.
    """
    if not people:
        raise CalibrationError("there is one sentence a picture, so people's can't be compared with each other")
    if len(cider) < FEWEST:
        raise CalibrationError(f"{len(cider)} captions are too few; at least {FEWEST} are needed")
    given, scores = (torch.tensor(values, dtype=torch.float64) for values in (probabilities, cider))  # (N,)
    threshold = statistics.median(people)
    calibration = _fit(given, scores, threshold)
    held_out = torch.empty_like(given)  # (N,)
    for fold in range(FOLDS):
        out = torch.arange(len(given)) % FOLDS == fold
        fitted = _fit(given[~out], scores[~out], threshold)
        held_out[out] = torch.tensor([fitted.confidence(value) for value in given[out].tolist()], dtype=torch.float64)
    good = [score >= threshold for score in cider]
    figures = {
        "threshold": threshold,
        "good": sum(good) / len(good),
        "error": calibration_error(held_out.tolist(), good),
        "uncalibrated_error": calibration_error(probabilities, good),
    }
    return calibration, figures


def calibration_error(confidences: Sequence[float], good: Sequence[bool]) -> float:
    """Expected calibration error: the mean distance of confidence and share of good ones, over ten equally large groups
    by confidence (Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities", 2015).
    """
    order = sorted(range(len(good)), key=lambda place: confidences[place])
    error = 0.0
    for part in torch.tensor(order).tensor_split(BINS):
        places = part.tolist()
        error += abs(sum(confidences[place] for place in places) - sum(good[place] for place in places))
    return error / len(good)


def _fit(probabilities: Tensor, cider: Tensor, threshold: float) -> CalibrationConfig:
    """Logistic regression of whether CIDEr (N,) is good on the logits of probabilities (N,), by Newton's method."""
    good = cider >= threshold
    if good.all() or not good.any():
        raise CalibrationError(f"{'all' if good.all() else 'none'} of {len(good)} captions are good")
    inputs = torch.stack([torch.ones_like(probabilities), probabilities.logit(eps=1e-9)], 1)  # (N, 2)
    ridge = 1e-3 * torch.eye(2, dtype=torch.float64)  # so that there is a solution where all good ones are likelier
    weights = torch.zeros(2, dtype=torch.float64)
    for _ in range(30):
        expected = (inputs @ weights).sigmoid()  # (N,)
        ascent = inputs.T @ (good.double() - expected) - ridge @ weights  # (2,)
        curvature = (inputs.T * (expected * (1 - expected))) @ inputs + ridge  # (2, 2)
        weights = weights + torch.linalg.solve(curvature, ascent)
    intercept, slope = weights.tolist()
    if not slope > 0:
        raise CalibrationError("captions that the model finds likelier are no better")
    return CalibrationConfig(intercept=intercept, slope=slope, threshold=threshold)
