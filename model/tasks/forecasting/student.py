"""Student's t distribution: its density in torch, and its quantiles."""

import math

import numpy as np
import torch
from torch import Tensor

LEAST = 2.5
"""Fewest degrees of freedom that a forecast has: with more than 2 there is a variance."""
_POINTS = 4001


def log_density(value: Tensor, location: Tensor, log_scale: Tensor, freedom: Tensor) -> Tensor:
    """Logarithm of the density, element by element."""
    deviation = (value - location) * torch.exp(-log_scale)
    normal = torch.lgamma((freedom + 1) / 2) - torch.lgamma(freedom / 2) - 0.5 * torch.log(math.pi * freedom)
    return normal - log_scale - (freedom + 1) / 2 * torch.log1p(deviation**2 / freedom)


def quantile(probability: float, freedom: float) -> float:
    """The quantile of the standard distribution; the probability is strictly between 0 and 1.

    With x = sqrt(v) tan(a) the density of the angle a is proportional to cos(a) ** (v - 1), which is smooth and has
    finite ends, so its integral is a sum.
    """
    if probability < 0.5:
        return -quantile(1 - probability, freedom)
    angle = np.linspace(0, math.pi / 2, _POINTS)
    density = np.cos(angle) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    wanted = (2 * probability - 1) * mass[-1]
    return float(math.sqrt(freedom) * math.tan(np.interp(wanted, mass, angle)))
