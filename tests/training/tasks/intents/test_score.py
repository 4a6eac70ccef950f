"""The score, by hand and by brute force, and what dev decides."""

import pytest
import torch

from training.calibration import calibration_error
from training.tasks.intents.score import fit, operating_points, score

LABELS = torch.tensor([0, 1, 0, 1, 2, 2])
PROBABILITIES = torch.tensor(
    [
        [0.90, 0.05, 0.05],  # right
        [0.20, 0.70, 0.10],  # right
        [0.30, 0.60, 0.10],  # wrong
        [0.15, 0.40, 0.45],  # right, if it is kept
        [0.65, 0.05, 0.30],  # out of scope, and surer than one that is right
        [0.10, 0.20, 0.70],  # out of scope
    ]
)
LOGITS = PROBABILITIES.log()


def test_score_at_an_operating_point() -> None:
    found = score(LOGITS, LABELS, 1.0, 0.5)
    assert (found.accuracy, found.unrejected, found.recall) == (2 / 4, 3 / 4, 1 / 2)
    sure = (0.9, 0.7, 0.6, 0.4), (0.65, 0.2)  # in scope, and out of it
    pairs = [inside > outside for inside in sure[0] for outside in sure[1]]
    assert found.auroc == pytest.approx(sum(pairs) / len(pairs))
    figures = {figure.name: figure for figure in found.figures("dev", 0.25)}
    assert figures["score"].value == pytest.approx(0.75 * 0.5 + 0.25 * 0.5)
    assert figures["score"].label == "accuracy with 25% out of scope"
    assert not figures["calibration_error"].higher_is_better


def test_operating_points_are_scores_at_their_thresholds() -> None:
    points = operating_points(LOGITS, LABELS, 1.0)
    assert [point["threshold"] for point in points[:3]] == [0.0, 0.05, 0.1]
    assert (points[-1]["threshold"], points[-1]["accuracy"], points[-1]["recall"]) == (1.0, 0.0, 1.0)
    for point in points:
        found = score(LOGITS, LABELS, 1.0, point["threshold"])
        assert (point["accuracy"], point["recall"]) == (found.accuracy, found.recall)


def test_confidence_out_of_scope_is_that_of_its_being_right() -> None:
    found = score(LOGITS, LABELS, 1.0, 0.5)
    confidence = torch.tensor([0.9, 0.7, 0.6, 0.6, 0.65, 0.8])
    good = torch.tensor([True, True, False, False, False, True])
    assert found.calibration_error == pytest.approx(calibration_error(confidence, good), abs=1e-6)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_no_other_threshold_is_better(share: float) -> None:
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(5, (200,), generator=generator)
    logits = torch.randn(200, 5, generator=generator) + 2 * torch.nn.functional.one_hot(labels, 5)
    temperature, threshold = fit(logits, labels, share)

    def gain(at: float) -> float:
        found = score(logits, labels, temperature, at)
        return (1 - share) * found.accuracy + share * found.recall

    assert gain(threshold) >= max(gain(at / 200) for at in range(201)) - 1e-6


def test_temperature_undoes_a_scale() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(4000, 6, generator=generator)
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit(logits, labels, 0.1)[0] == pytest.approx(1.0, rel=0.1)
    assert fit(3 * logits, labels, 0.1)[0] == pytest.approx(3 * fit(logits, labels, 0.1)[0], rel=0.02)
