"""Confidence learnt from outputs whose scores are known."""

import pytest
import torch

from training.calibration import CalibrationError, calibrate, calibration_error, selection


def drawn(number: int, *, slope: float = 1.0) -> tuple[list[float], list[float]]:
    """Probabilities, and scores: 1 for as many good outputs as sigmoid(slope * logit + 1) says, else 0."""
    torch.manual_seed(0)
    given = torch.rand(number, dtype=torch.float64)  # (N,)
    good = torch.rand(number, dtype=torch.float64) < (slope * given.logit(eps=1e-9) + 1).sigmoid()
    return given.tolist(), good.double().tolist()


def test_confidence_is_the_share_of_good_ones() -> None:
    probabilities, scores = drawn(3000)
    calibration, figures = calibrate(probabilities, scores, 0.5)
    assert calibration.slope == pytest.approx(1, abs=0.15)
    assert calibration.intercept == pytest.approx(1, abs=0.15)
    assert calibration.threshold == 0.5
    assert figures["good"] == sum(scores) / len(scores)
    assert figures["error"] < 0.04 < figures["uncalibrated_error"]


def test_outputs_that_tell_nothing_are_refused() -> None:
    with pytest.raises(CalibrationError, match="99 outputs are too few; at least 100 are needed"):
        calibrate([0.5] * 99, [1.0] * 99, 0.5)
    with pytest.raises(CalibrationError, match="all of 100 outputs are good"):
        calibrate([0.5] * 100, [1.0] * 100, 0.5)
    with pytest.raises(CalibrationError, match="none of 100 outputs are good"):
        calibrate([0.5] * 100, [0.0] * 100, 0.5)
    with pytest.raises(CalibrationError, match="are no better"):
        calibrate(*drawn(1000, slope=-1), 0.5)


def test_error_is_the_distance_of_confidence_and_share() -> None:
    confidences, good = torch.full((20,), 0.75, dtype=torch.float64), torch.tensor([True, False] * 10)
    assert calibration_error(confidences, good) == pytest.approx(0.25)
    assert calibration_error(torch.full((20,), 0.5, dtype=torch.float64), good) == pytest.approx(0)


def test_a_least_confidence_keeps_the_better_part() -> None:
    _, figures = calibrate(*drawn(3000), 0.5)
    assert figures["selection"][0] == {"least": 0.0, "kept": 1.0, "good": figures["good"]}
    kept, good = ([row[name] for row in figures["selection"]] for name in ("kept", "good"))
    assert kept == sorted(kept, reverse=True)
    assert good == sorted(good)


def test_selection_ends_where_nothing_is_kept() -> None:
    confidences, good = torch.tensor([0.1, 0.25, 0.25, 0.45]), torch.tensor([False, False, True, True])
    assert [list(row.values()) for row in selection(confidences, good)] == [
        [0.0, 1.0, 0.5],
        [0.2, 0.75, pytest.approx(2 / 3)],
        [0.3, 0.25, 1.0],
        [0.4, 0.25, 1.0],
    ]
