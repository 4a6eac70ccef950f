"""Functions of the step alone: learning rate and random seeds; and the average of the weights over the steps."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def learning_rate(step: int, *, peak: float, warmup: int, total: int) -> float:
    """A linear rise over `warmup` steps, at most a tenth of all, then half a cosine from `peak` to zero at `total`."""
    warmup = min(warmup, total // 10)  # otherwise a run of few steps would end before the rate has risen
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def seed_step(seed: int, step: int, process: int) -> None:
    """Makes all random numbers of a step (dropout, for one) a function of these three."""
    torch.manual_seed((seed * 1_000_003 + step) * 1_009 + process)


def averaged(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of the module whose `update_parameters` keeps an exponential moving average of the weights.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that the fresh weights are soon forgotten.
    """

    @torch.no_grad()
    def update(averages: Any, values: Any, updates: Any) -> None:
        share = 1 - min(decay, (1 + int(updates)) / (10 + int(updates)))
        for average, value in zip(averages, values, strict=True):
            average.lerp_(value, share)

    return AveragedModel(module, multi_avg_fn=update)
