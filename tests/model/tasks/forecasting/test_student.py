"""Student's t, against torch and against its own density."""

import math

import pytest
import torch

from model.tasks.forecasting.student import log_density, quantile


def test_density_is_torchs() -> None:
    values = torch.linspace(-5, 5, 21, dtype=torch.float64)
    expected = torch.distributions.StudentT(4.2, 0.3, 1.7).log_prob(values)
    found = log_density(values, torch.tensor(0.3), torch.tensor(1.7).double().log(), torch.tensor(4.2).double())
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [(0.975, 3, 3.182446), (0.9, 3, 1.637744), (0.975, 10, 2.228139), (0.95, 30, 1.697261), (0.5, 7, 0.0)],
)
def test_quantiles_are_those_of_the_tables(probability: float, freedom: float, expected: float) -> None:
    assert quantile(probability, freedom) == pytest.approx(expected, abs=1e-4)
    assert quantile(1 - probability, freedom) == pytest.approx(-expected, abs=1e-4)


def test_quantile_cuts_off_its_share_of_the_density() -> None:
    reach = quantile(0.9, 2.7)
    values = torch.linspace(-reach, reach, 20_001, dtype=torch.float64)
    zero = torch.zeros((), dtype=torch.float64)
    mass = torch.trapezoid(log_density(values, zero, zero, torch.tensor(2.7).double()).exp(), values)
    assert math.isclose(float(mass), 0.8, abs_tol=1e-5)
