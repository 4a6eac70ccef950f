"""Layers over time: the fused path, the loop and a step at a time are the same function, with the same gradients."""

import pytest
import torch
from torch import Tensor

from model.cells import CELLS, State
from model.recurrent import FUSED, Layers, Recurrent

N, T, D, H, L = 3, 7, 4, 5, 2


def gradients(network: Recurrent, inputs: Tensor, *wanted: Tensor) -> tuple[Tensor, ...]:
    """Outputs, last state, and the gradient of one fixed scalar of them with respect to the inputs and `wanted`."""
    outputs, state = network(inputs)
    chance = torch.Generator().manual_seed(1)
    parts = (outputs, *state)
    loss = sum((part * torch.randn(part.shape, generator=chance, dtype=part.dtype)).sum() for part in parts)
    return *parts, *torch.autograd.grad(loss, [inputs, *wanted])


def cell_parameters(network: Recurrent) -> list[Tensor]:
    return [parameter for cell in network.cells() for parameter in cell.parameters()]


@pytest.mark.parametrize("kind", FUSED)
def test_fused_and_loop_agree(kind: str) -> None:
    torch.manual_seed(0)
    fused, loop = Recurrent(kind, D, H, L), Recurrent(kind, D, H, L, fused=False)
    assert not isinstance(fused.network, Layers)
    for ours, theirs in zip(loop.cells(), fused.cells(), strict=True):
        ours.load_state_dict(theirs.state_dict())
    inputs = torch.randn(N, T, D, requires_grad=True)
    answers = [gradients(network, inputs, *cell_parameters(network)) for network in (fused, loop)]
    for expected, answer in zip(*answers, strict=True):
        torch.testing.assert_close(answer, expected, rtol=1e-6, atol=1e-6)


def step_by_step(network: Recurrent, inputs: Tensor) -> tuple[Tensor, State]:
    """The same through `Cell.forward`, whose gradients autograd takes step by step."""
    states: list[State | None] = [None] * network.num_layers
    outputs = []
    for x in inputs.unbind(1):
        for layer, cell in enumerate(network.cells()):
            after = cell(x, states[layer])
            states[layer] = after
            x = after[0]
        outputs.append(x)
    lasts = [state for state in states if state]
    return torch.stack(outputs, 1), tuple(torch.stack(parts) for parts in zip(*lasts, strict=True))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_equals_its_cells_one_step_at_a_time(kind: str, fused: bool) -> None:
    torch.manual_seed(0)
    network = Recurrent(kind, D, H, L, fused=fused).double()
    inputs = torch.randn(N, T, D, dtype=torch.double, requires_grad=True)

    class Stepped(Recurrent):
        def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
            return step_by_step(network, inputs)

    parameters = cell_parameters(network)
    answers = [gradients(each, inputs, *parameters) for each in (network, Stepped(kind, D, H, L))]
    for answer, expected in zip(*answers, strict=True):
        torch.testing.assert_close(answer, expected, rtol=1e-10, atol=1e-10)
    assert all(gradient.any() for gradient in answers[0][-len(parameters) :])


@pytest.mark.parametrize("kind", CELLS)
def test_a_sequence_in_two_halves(kind: str) -> None:
    torch.manual_seed(0)
    network = Recurrent(kind, D, H, L)
    inputs = torch.randn(N, T, D)
    whole, last = network(inputs)
    first, state = network(inputs[:, :3])
    second, after = network(inputs[:, 3:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(after, last)
    assert {part.shape for part in last} == {(L, N, H)}
    assert whole.shape == (N, T, H)


def test_gradients_twice_through_the_same_steps_add_up() -> None:
    network = Recurrent("lstm-cifg", D, H)
    outputs, _ = network(torch.randn(N, T, D))
    (weight,) = (cell.weight_hh for cell in network.cells())
    whole = torch.autograd.grad(outputs.sum(), weight, retain_graph=True)[0]
    parts = [torch.autograd.grad(outputs[:, t].sum(), weight, retain_graph=True)[0] for t in range(T)]
    torch.testing.assert_close(sum(parts), whole)


def test_frozen_weights_and_inference_record_nothing() -> None:
    network = Recurrent("lstm-fgr", D, H, L)
    with torch.inference_mode():
        assert not network(torch.randn(N, T, D))[0].requires_grad
    inputs = torch.randn(N, T, D, requires_grad=True)
    outputs, _ = network.requires_grad_(False)(inputs)
    outputs.sum().backward()
    assert inputs.grad is not None
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("kind", ["lstm", "lstm-np"])
def test_dropout_is_between_layers_and_in_training_only(kind: str) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(N, T, D)
    one, two = Recurrent(kind, D, H, 1, dropout=0.5), Recurrent(kind, D, H, 2, dropout=0.5)
    assert torch.equal(one(inputs)[0], one(inputs)[0])
    assert not torch.equal(two(inputs)[0], two(inputs)[0])
    assert torch.equal(two(inputs)[1][0][0], two(inputs)[1][0][0])  # the first layer's
    two.eval()
    assert torch.equal(two(inputs)[0], two(inputs)[0])
