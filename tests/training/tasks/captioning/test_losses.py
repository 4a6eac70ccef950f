"""The terms of the captioners' objective."""

import pytest
import torch

from model.vocabulary import EOS, PAD
from training.tasks.captioning.losses import (
    Expected,
    caption_loss,
    caption_objective,
    doubly_stochastic_penalty,
    expected_loss,
)
from training.tasks.captioning.recipe import CrossEntropyTraining


def test_loss_ignores_padding_and_is_in_nats() -> None:
    logits = torch.zeros(2, 3, 10)
    targets = torch.tensor([[4, 5, EOS], [4, EOS, PAD]])
    assert caption_loss(logits, targets, 0.1).item() == pytest.approx(5 * torch.tensor(10.0).log().item())


def test_doubly_stochastic_penalty_is_the_equation() -> None:
    attention = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.3, 0.7]]])
    targets = torch.tensor([[4, EOS, PAD]])
    assert doubly_stochastic_penalty(attention, targets).item() == pytest.approx((1 - 1.5) ** 2 + (1 - 0.5) ** 2)


def test_what_teachers_expect_is_a_soft_target() -> None:
    torch.manual_seed(0)
    logits, teacher = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    probabilities = (teacher / 2).softmax(2)
    order = torch.rand(2, 3, 5).argsort(2)  # in whichever order they are kept
    expected = Expected(order, probabilities.gather(2, order), 0.5, 2.0)
    reference = torch.nn.functional.cross_entropy(
        (logits / 2).flatten(0, 1), probabilities.flatten(0, 1), reduction="sum"
    )
    assert expected_loss(logits, expected).item() == pytest.approx(4 * reference.item(), rel=1e-5)
    ended = expected._replace(probabilities=expected.probabilities * torch.tensor([1.0, 1, 0])[:, None])
    rest = Expected(order[:, :2], expected.probabilities[:, :2], 0.5, 2.0)
    assert expected_loss(logits, ended).item() == pytest.approx(expected_loss(logits[:, :2], rest).item(), rel=1e-5)


def test_the_objective_weighs_its_terms() -> None:
    torch.manual_seed(0)
    logits, attention = torch.randn(1, 3, 9), torch.rand(1, 3, 4)
    targets = torch.tensor([[4, 5, EOS]])
    expected = Expected(torch.tensor([[[4, 5]] * 3]), torch.full((1, 3, 2), 0.5), 0.25, 1.0)
    training = CrossEntropyTraining(attention_penalty=0.1, label_smoothing=0)
    people = caption_loss(logits, targets, 0) / 3
    loss, nats = caption_objective(training, logits, attention, targets, [1, 2], expected=expected)
    assert nats.item() == pytest.approx(people.item())
    penalty = doubly_stochastic_penalty(attention, targets) / 2
    reference = 0.75 * people + 0.25 * expected_loss(logits, expected) / 3 + 0.1 * penalty
    assert loss.item() == pytest.approx(reference.item())
