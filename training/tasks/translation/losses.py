"""The loss that translators minimise."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.tasks.translation.network import Written
from model.vocabulary import PAD


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
    logits = written.logits.float()
    written_nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(
        targets.shape
    )  # (B, T)
    pointed = (written.attention.float() * (sources[:, None] == targets[..., None])).sum(2)  # (B, T)
    gate = written.copying.float().squeeze(2)  # (B, T)
    likely = F.logsigmoid(-gate) - written_nats, F.logsigmoid(gate) + pointed.clamp(min=1e-9).log()
    nats = -torch.logaddexp(*likely)  # (B, T)
    if label_smoothing:
        uniform = logits.logsumexp(2) - logits.mean(2)  # (B, T)
        nats = (1 - label_smoothing) * nats + label_smoothing * uniform
    return nats.masked_fill(targets == PAD, 0.0).sum()
