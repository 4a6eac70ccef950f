"""Truncated backpropagation against full backpropagation and against the truncation unrolled by hand."""

from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from model.cells import State
from model.recurrent import Recurrent
from training.tasks.text.bptt import truncated_bptt

N, T, D, H = 2, 12, 3, 4


class Tagger(nn.Module):
    """A recurrent network with an output layer."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.recurrent = Recurrent(kind, D, H, 2)
        self.output = nn.Linear(H, 1)
        self.double()

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        outputs, state = self.recurrent(inputs, state)
        return self.output(outputs), state


def total(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().sum()


def gradients(network: nn.Module) -> list[Tensor]:
    found = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    network.zero_grad()
    return found


def data() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(N, T, D, dtype=torch.double), torch.randn(N, T, 1, dtype=torch.double)


def unrolled_by_hand(network: Tagger, inputs: Tensor, targets: Tensor, k1: int, k2: int) -> None:
    """For each k1 steps: all from the very first step, cut k2 steps back."""
    for begin in range(0, T, k1):
        end = min(begin + k1, T)
        state: State | None = None
        outputs = []
        for t in range(end):
            if t == end - k2 and state is not None:
                state = tuple(part.detach() for part in state)
            output, state = network(inputs[:, t : t + 1], state)
            outputs.append(output)
        first = max(begin, end - k2)
        total(torch.cat(outputs[first:], 1), targets[:, first:end]).backward()


@pytest.mark.parametrize("kind", ["lstm", "lstm-fgr", "rnn"])
@pytest.mark.parametrize("k1", [1, 5, T])
@pytest.mark.parametrize("k2", [T, T + 3])
def test_far_enough_back_is_the_full_gradient(kind: str, k1: int, k2: int) -> None:
    network = Tagger(kind)
    inputs, targets = data()
    whole, last = network(inputs)
    total(whole, targets).backward()
    expected = gradients(network)
    chunks = list(truncated_bptt(network, total, inputs, targets, k1=k1, k2=k2))
    for ours, full in zip(gradients(network), expected, strict=True):
        torch.testing.assert_close(ours, full)
    torch.testing.assert_close(sum(chunk.loss for chunk in chunks), total(whole, targets).detach())
    torch.testing.assert_close(chunks[-1].state, tuple(part.detach() for part in last))
    assert [chunk.end for chunk in chunks] == [*range(k1, T, k1), T]


@pytest.mark.parametrize("k1", [1, 2, 3, 4, 5, 7, 11])
@pytest.mark.parametrize("k2", [1, 2, 3, 5, 6, 11])
def test_less_is_the_truncation_unrolled_by_hand(k1: int, k2: int) -> None:
    network = Tagger("gru")
    inputs, targets = data()
    unrolled_by_hand(network, inputs, targets, k1, k2)
    expected = gradients(network)
    for _ in truncated_bptt(network, total, inputs, targets, k1=k1, k2=k2):
        pass
    for ours, by_hand in zip(gradients(network), expected, strict=True):
        torch.testing.assert_close(ours, by_hand)


def test_truncation_changes_the_gradient() -> None:
    network = Tagger("gru")
    inputs, targets = data()
    found = []
    for k2 in (2, 4, T):
        for _ in truncated_bptt(network, total, inputs, targets, k1=2, k2=k2):
            pass
        found.append(gradients(network)[0])
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[1], found[2])


def test_a_given_state_is_carried_and_not_differentiated() -> None:
    network = Tagger("lstm")
    inputs, targets = data()
    _, start = network(torch.randn(N, 3, D, dtype=torch.double))
    whole, _ = network(inputs, start)
    chunks = list(truncated_bptt(network, total, inputs, targets, start, k1=4, k2=6))
    torch.testing.assert_close(sum(chunk.loss for chunk in chunks), total(whole, targets).detach())
    assert not any(part.requires_grad for chunk in chunks for part in chunk.state)


def test_an_optimizer_may_step_at_each_chunk() -> None:
    network = Tagger("lstm")
    inputs, targets = data()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        summed = 0.0
        for chunk in truncated_bptt(network, total, inputs, targets, k1=3, k2=8):
            optimizer.step()
            optimizer.zero_grad()
            summed += chunk.loss.item()
        losses.append(summed)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(("k1", "k2"), [(0, 3), (3, 0), (-1, 2)])
def test_steps_are_counted_from_one(k1: int, k2: int) -> None:
    with pytest.raises(ValueError, match=f"k1={k1} and k2={k2}: both must be 1 or more"):
        next(truncated_bptt(Tagger("rnn"), total, *data(), k1=k1, k2=k2))


def test_inputs_and_targets_are_as_long() -> None:
    inputs, targets = data()
    with pytest.raises(ValueError, match="12 steps of inputs and 11 of targets"):
        next(truncated_bptt(Tagger("rnn"), total, inputs, targets[:, 1:], k1=2, k2=2))


@pytest.mark.parametrize(("k1", "k2"), [(4, 4), (2, 5), (3, 2), (1, 12)])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_later_call_goes_on_as_if_there_had_been_one(k1: int, k2: int, stop: int) -> None:
    network = Tagger("lstm")
    inputs, targets = data()
    chunks = truncated_bptt(network, total, inputs, targets, k1=k1, k2=k2)
    whole = [(chunk.end, chunk.loss, gradients(network)) for chunk in chunks]
    *_, chunk = islice(truncated_bptt(network, total, inputs, targets, k1=k1, k2=k2), stop)
    gradients(network)
    offset = chunk.start
    again = truncated_bptt(
        network,
        total,
        inputs[:, offset:],
        targets[:, offset:],
        chunk.before or None,
        k1=k1,
        k2=k2,
        done=chunk.end - offset,
    )
    rest = [(offset + part.end, part.loss, gradients(network)) for part in again]
    assert [end for end, *_ in rest] == [end for end, *_ in whole[stop:]]
    for (_, loss, found), (_, expected, wanted) in zip(rest, whole[stop:], strict=True):
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(found, wanted)
