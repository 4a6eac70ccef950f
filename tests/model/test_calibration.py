"""Confidence in an output, from its probability."""

from hypothesis import given
from hypothesis import strategies as st

from model.calibration import Calibration


@given(
    intercept=st.floats(-50, 50),
    slope=st.floats(0.01, 50),
    probabilities=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_confidence_is_a_probability_and_never_falls(
    intercept: float, slope: float, probabilities: tuple[float, float]
) -> None:
    calibration = Calibration(intercept=intercept, slope=slope, threshold=0.5)
    low, high = (calibration.confidence(value) for value in sorted(probabilities))
    assert 0 <= low <= high <= 1
