"""What the captioners' training minimises, a step at a time."""

import torch.nn.functional as F
from torch import Tensor

from model.vocabulary import PAD
from training.recipe import TrainingRecipe


def caption_loss(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy in nats, summed over the tokens that are not padding; logits (B, T, V), targets (B, T)."""
    return F.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=PAD,
        label_smoothing=label_smoothing,
        reduction="sum",
    )


def doubly_stochastic_penalty(attention: Tensor, targets: Tensor) -> Tensor:
    """Show, Attend and Tell, eq. 14: sum over positions of (1 - sum over time of alpha)^2, summed over the batch.

    Args:
        attention: (B, T, P).
        targets: (B, T), padding where nothing is said.
    """
    spoken = (targets != PAD).unsqueeze(2)  # (B, T, 1)
    return (1 - (attention * spoken).sum(1)).square().sum()


def objective(
    training: TrainingRecipe,
    logits: Tensor,
    attention: Tensor | None,
    targets: Tensor,
    *,
    words: float,
    captions: float,
) -> tuple[Tensor, Tensor]:
    """What a step minimises, or some captions' part of it.

    Args:
        training: the weights of its terms.
        logits: (N, T, V).
        attention: (N, T, P), where there is attention.
        targets: (N, T).
        words: of the whole step, which the sums are divided by.
        captions: likewise.

    Returns:
        The objective, and the cross-entropy that is in it, in nats a word.
    """
    nats = caption_loss(logits, targets, training.label_smoothing) / words
    if not training.attention_penalty or attention is None:
        return nats, nats
    return nats + training.attention_penalty * doubly_stochastic_penalty(attention, targets) / captions, nats
