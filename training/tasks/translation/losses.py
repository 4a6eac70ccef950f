"""The loss that translators minimise."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.tasks.translation.network import Written
from model.vocabulary import PAD

ROWS = 64
"""Rows of logits that are in single precision at a time: as many as fit into a core's cache."""


class _CrossEntropies(torch.autograd.Function):
    """Cross-entropies in nats of logits (N, V): with the targets (N,), and with all pieces alike.

    Autograd would go through all logits six times on the way back, in single precision, which took a fifth of a step.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        totals = torch.cat([rows.float().logsumexp(1) for rows in logits.split(ROWS)])  # (N,)
        ctx.save_for_backward(logits, targets, totals)
        target = logits.gather(1, targets[:, None]).squeeze(1).float()  # (N,)
        return totals - target, totals - logits.mean(1, dtype=torch.float32)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_target: Tensor, of_all: Tensor) -> tuple[Tensor, None]:
        columns = (of_target + of_all, of_all / ctx.saved_tensors[0].shape[1], -of_target)  # (N,) each
        parts = [part.split(ROWS) for part in (*ctx.saved_tensors, *columns)]
        gradient = torch.empty_like(ctx.saved_tensors[0])  # (N, V)
        for rows, logits, targets, totals, both, each, target in zip(gradient.split(ROWS), *parts, strict=True):
            share = (logits.float() - totals[:, None]).exp_()  # (R, V), the probabilities
            share.mul_(both[:, None]).sub_(each[:, None]).scatter_add_(1, targets[:, None], target[:, None])
            rows.copy_(share)
        return gradient, None


def translation_loss(written: Written, sources: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy in nats of the mixture of writing and copying, summed over the pieces that are not padding.

    Only the target's own probability is mixed, so that nothing of the size of the vocabulary is. Smoothing is over what
    is written: to copy any piece is no virtue.

    Args:
        written: of shapes (B, T, V), (B, T, 1) and (B, T, P).
        sources: (B, P).
        targets: (B, T).
        label_smoothing: share of the weight that all pieces have alike.
    """
    found: tuple[Tensor, Tensor] = _CrossEntropies.apply(written.logits.flatten(0, 1), targets.flatten())
    written_nats, uniform = (nats.view(targets.shape) for nats in found)  # (B, T) each
    pointed = (written.attention.float() * (sources[:, None] == targets[..., None])).sum(2)  # (B, T)
    gate = written.copying.float().squeeze(2)  # (B, T)
    likely = F.logsigmoid(-gate) - written_nats, F.logsigmoid(gate) + pointed.clamp(min=1e-9).log()
    nats = -torch.logaddexp(*likely)  # (B, T)
    nats = (1 - label_smoothing) * nats + label_smoothing * uniform
    return nats.masked_fill(targets == PAD, 0.0).sum()
