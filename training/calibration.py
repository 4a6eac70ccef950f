"""The probability that an output is good, learnt from outputs whose scores are known.

The map from the model's own probability is Platt's ("Probabilistic Outputs for Support Vector Machines", 1999): two
numbers, for which a thousand outputs are plenty.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from model.calibration import Calibration
from training.errors import TrainingError

BINS = 10
FOLDS = 10
FEWEST = 100
"""Least number of outputs that a calibration is learnt from."""
LEAST = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Least confidences of which `selection` tells what they keep."""


class CalibrationError(TrainingError):
    """The outputs can't be calibrated; the message says why."""


def calibrate(
    probabilities: Sequence[float], scores: Sequence[float], threshold: float
) -> tuple[Calibration, dict[str, Any]]:
    """The calibration of a model, and how good it is.

    Args:
        probabilities: geometric mean of the tokens' probabilities of each output.
        scores: how good each is.
        threshold: the score that a good one reaches.

    Returns:
        The calibration; and its `threshold`, the share of outputs that are `good`, the expected calibration `error` of
        outputs that were not fitted (ten-fold cross-validation), the `uncalibrated_error` of the probabilities as they
        are, and the `selection` by the confidence of outputs that were not fitted.

    Raises:
        CalibrationError: outputs are few, all or none are good, or likelier ones are no better.
    """
    if len(scores) < FEWEST:
        raise CalibrationError(f"{len(scores)} outputs are too few; at least {FEWEST} are needed")
    given, reached = (torch.tensor(values, dtype=torch.float64) for values in (probabilities, scores))  # (N,)
    good = reached >= threshold  # (N,)
    calibration = _fit(given, good, threshold)
    held_out = torch.empty_like(given)  # (N,)
    for fold in range(FOLDS):
        out = torch.arange(len(given)) % FOLDS == fold
        fitted = _fit(given[~out], good[~out], threshold)
        held_out[out] = torch.tensor([fitted.confidence(value) for value in given[out].tolist()], dtype=torch.float64)
    figures = {
        "threshold": threshold,
        "good": float(good.double().mean()),
        "error": calibration_error(held_out, good),
        "uncalibrated_error": calibration_error(given, good),
        "selection": selection(held_out, good),
    }
    return calibration, figures


def calibration_error(confidences: Tensor, good: Tensor) -> float:
    """Expected calibration error: the mean distance of confidence and share of good ones, over ten equally large groups
    by confidence (Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities", 2015).
    """
    groups = confidences.argsort(stable=True).tensor_split(BINS)
    return sum(abs(float((confidences[group] - good[group].double()).sum())) for group in groups) / len(good)


def selection(confidences: Tensor, good: Tensor) -> list[dict[str, float]]:
    """Tell what is left of outputs (N,) if those below a least confidence are held back, for each of `LEAST`.

    That is the share that is `kept` of all, and the share of those that is `good` (El-Yaniv and Wiener, "On the
    Foundations of Noise-free Selective Classification", 2010: coverage and risk). The rows end where nothing is kept.
    """
    rows = []
    for least in LEAST:
        kept = confidences >= least  # (N,)
        if kept.any():
            shares = kept.double().mean(), good[kept].double().mean()
            rows.append({"least": least, "kept": float(shares[0]), "good": float(shares[1])})
    return rows


def _fit(probabilities: Tensor, good: Tensor, threshold: float) -> Calibration:
    """Logistic regression of whether outputs are good (N,) on the logits of probabilities (N,), by Newton's method."""
    if good.all() or not good.any():
        raise CalibrationError(f"{'all' if good.all() else 'none'} of {len(good)} outputs are good")
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
        raise CalibrationError("outputs that the model finds likelier are no better")
    return Calibration(intercept=intercept, slope=slope, threshold=threshold)
