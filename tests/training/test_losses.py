"""The terms of the captioners' objective."""

import pytest
import torch

from model.vocabulary import EOS, PAD
from training.losses import caption_loss, doubly_stochastic_penalty


def test_loss_ignores_padding_and_is_in_nats() -> None:
    logits = torch.zeros(2, 3, 10)
    targets = torch.tensor([[4, 5, EOS], [4, EOS, PAD]])
    assert caption_loss(logits, targets, 0.1).item() == pytest.approx(5 * torch.tensor(10.0).log().item())


def test_doubly_stochastic_penalty_is_the_equation() -> None:
    attention = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.3, 0.7]]])
    targets = torch.tensor([[4, EOS, PAD]])
    assert doubly_stochastic_penalty(attention, targets).item() == pytest.approx((1 - 1.5) ** 2 + (1 - 0.5) ** 2)
