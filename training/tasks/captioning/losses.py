"""The losses that captioners minimise."""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from model.vocabulary import PAD
from training.tasks.captioning.recipe import CrossEntropyTraining


def caption_loss(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy in nats, summed over the tokens that are not padding; logits (B, T, V), targets (B, T)."""
    flat = logits.float().flatten(0, 1), targets.flatten()
    return F.cross_entropy(*flat, ignore_index=PAD, label_smoothing=label_smoothing, reduction="sum")


def doubly_stochastic_penalty(attention: Tensor, targets: Tensor) -> Tensor:
    """Show, Attend and Tell, eq. 14: sum over positions of (1 - sum over time of alpha)^2, summed over the batch.

    Attention is (B, T, P), targets are (B, T).
    """
    spoken = (targets != PAD).unsqueeze(2)  # (B, T, 1)
    return (1 - (attention * spoken).sum(1)).square().sum()


class Expected(NamedTuple):
    """The words that teachers expect at each place of some captions."""

    words: Tensor  # (N, T, K)
    probabilities: Tensor  # (N, T, K), which sum to 1, or are 0 after a caption's end
    weight: float
    """Weight in the objective."""
    temperature: float


def expected_loss(logits: Tensor, expected: Expected) -> Tensor:
    """Cross-entropy in nats between what teachers expect and the logits (N, T, V), summed over all words.

    Both are softened by the temperature, whose square keeps the gradient's size (Hinton et al., 2015, section 2).
    """
    logprobs = (logits.float() / expected.temperature).log_softmax(2)
    return -(logprobs.gather(2, expected.words) * expected.probabilities).sum() * expected.temperature**2


def caption_objective(
    training: CrossEntropyTraining,
    logits: Tensor,
    attention: Tensor | None,
    targets: Tensor,
    lengths: Sequence[int],
    processes: int = 1,
    expected: Expected | None = None,
) -> tuple[Tensor, Tensor]:
    """The scalar that a step minimises.

    Args:
        training: the weights of its terms.
        logits: (N, T, V).
        attention: (N, T, P), where there is attention.
        targets: (N, T).
        lengths: words of each caption in the batch of all processes, its end included.
        processes: gradients are averaged over them, so each counts as many times in the mean over that batch.
        expected: the teachers' words at the same places, if there are teachers.

    Returns:
        The objective, and its part that is the cross-entropy with people's words, in nats a word.
    """
    words, captions = sum(lengths) / processes, len(lengths) / processes
    nats = caption_loss(logits, targets, training.label_smoothing) / words
    loss = nats
    if expected is not None:
        loss = (1 - expected.weight) * nats + expected.weight * expected_loss(logits, expected) / words
    if training.attention_penalty and attention is not None:
        loss = loss + training.attention_penalty * doubly_stochastic_penalty(attention, targets) / captions
    return loss, nats
