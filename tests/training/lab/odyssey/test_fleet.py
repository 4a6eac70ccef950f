"""Networks side by side are what each would be alone."""

import pytest
import torch
from torch import Tensor

from model.cells import CELLS, Cell, build_cell
from training.lab.odyssey.fleet import DEVIATION, Fleet

N, T, D, V = 3, 6, 4, 7
SIZES, SEEDS = [5, 2, 8], [1, 2, 3]


def alone(fleet: Fleet, kind: str, network: int) -> tuple[Cell, Tensor, Tensor]:
    """One network of a fleet, with weights of its own shape, and its output layer."""
    cell = build_cell(kind, D, SIZES[network])
    modules = [fleet.cell, fleet.output]
    stacked = {name: weights for module in modules for name, weights in module.named_parameters()}
    masks = dict(zip(stacked, fleet.masks, strict=True))
    own = {name: stacked[name][network][masks[name][network]].detach() for name in stacked}
    cell.load_state_dict({name: own[name].view(weights.shape) for name, weights in cell.named_parameters()})
    return cell.double(), own["weight"].view(V, -1).double(), own["bias"].double()


@pytest.mark.parametrize("kind", CELLS)
def test_a_fleet_is_its_networks_one_by_one(kind: str) -> None:
    fleet = Fleet(kind, D, V, SIZES, SEEDS).double()
    inputs = torch.randn(len(SIZES), T, N, D, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    hidden = fleet.hidden(inputs)  # (T, K, N, H)
    scores = fleet.scores(hidden.transpose(0, 1).flatten(1, 2))  # (K, T N, V)
    gradients = torch.autograd.grad(scores.square().sum(), list(fleet.parameters()))
    for network, size in enumerate(SIZES):
        cell, weight, bias = alone(fleet, kind, network)
        weight, bias = weight.requires_grad_(), bias.requires_grad_()
        state, outputs = cell.zero_state(inputs[network, 0]), []
        for x in inputs[network]:
            state = cell(x, state)
            outputs.append(state[0])
        expected = torch.stack(outputs)  # (T, N, size)
        torch.testing.assert_close(hidden[:, network, :, :size], expected)
        answers = expected.flatten(0, 1) @ weight.T + bias  # (T N, V)
        torch.testing.assert_close(scores[network], answers)
        own = torch.autograd.grad(answers.square().sum(), [*cell.parameters(), weight, bias])
        for found, mask, gradient in zip(gradients, fleet.masks, own, strict=True):
            torch.testing.assert_close(found[network][mask[network]], gradient.flatten())
        assert fleet.parameter_counts[network] == sum(gradient.numel() for gradient in own)


def test_weights_follow_from_seed_and_size_alone() -> None:
    fleet = Fleet("lstm-fgr", D, V, SIZES, SEEDS)
    single = Fleet("lstm-fgr", D, V, SIZES[:1], SEEDS[:1])
    assert next(single.cell.parameters()).shape == (1, 4 * SIZES[0], D)
    for many, one, mask in zip(fleet.parameters(), single.parameters(), fleet.masks, strict=True):
        assert torch.equal(many[0][mask[0]], one.flatten())
        assert not many[~mask].any()
    weights = torch.cat([each[mask] for each, mask in zip(fleet.parameters(), fleet.masks, strict=True)])
    assert weights.std().item() == pytest.approx(DEVIATION, rel=0.05)


def test_retain_leaves_the_others_as_they_were() -> None:
    fleet = Fleet("gru", D, V, SIZES, SEEDS)
    inputs = torch.randn(1, T, N, D).expand(3, T, N, D)
    before = fleet.hidden(inputs)
    fleet.retain([0, 2])
    torch.testing.assert_close(fleet.hidden(inputs[:2]), before[:, [0, 2]])
    assert [len(mask) for mask in fleet.masks] == [2] * len(fleet.masks)
    assert len(fleet.parameter_counts) == 2
