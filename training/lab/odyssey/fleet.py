"""Many networks of one cell, trained side by side: a product for all of them at each step, over an axis K of networks.

Small networks leave a processor waiting for the next operation. With K of them in each operation it computes, and the
K networks learn what each would learn alone.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.cells import Cell, State, build_cell

DEVIATION = 0.1
"""Standard deviation of the weights at the start, as in the paper."""


class _DeferredWeights(torch.autograd.Function):
    """The identity on sums (T, K, N, G H), which accumulates the gradients of K recurrent weights in one product.

    It is for networks side by side what `model.recurrent` has for one.
    """

    @staticmethod
    def forward(ctx: Any, sums: Tensor, weights: Tensor, multiplied: list[Tensor]) -> Tensor:
        ctx.multiplied = multiplied
        return sums.view_as(sums)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        multiplied = torch.stack(ctx.multiplied, 1).flatten(1, 2)  # (K, T N, R)
        return gradient, gradient.transpose(0, 1).flatten(1, 2).mT @ multiplied, None  # (T, K, N, G H), (K, G H, R)


def unroll(cell: Cell, inputs: Tensor) -> Tensor:
    """K networks over inputs (K, T, N, D) from a state of zeros: h of each step (T, K, N, H).

    The cell's parameters have an axis K before their own, and vectors are rows: (K, G H, D), (K, 1, G H).
    """
    networks, steps, count, _ = inputs.shape
    products = torch.baddbmm(cell.bias_ih, inputs.flatten(1, 2), cell.weight_ih.mT)  # (K, T N, G H)
    from_input = products.view(networks, steps, count, -1).transpose(0, 1)  # (T, K, N, G H)
    weights = cell.recurrent_weight()  # (K, G H, R)
    bias = cell.bias_hh.expand_as(from_input)  # (T, K, N, G H)
    learns = torch.is_grad_enabled()
    multiplied: list[Tensor] = []
    if learns:
        bias = _DeferredWeights.apply(bias, weights, multiplied)
    turned = weights.detach().mT.contiguous()  # (K, R, G H)
    state: State = (inputs.new_zeros(networks, count, cell.hidden_size),) * cell.num_states
    outputs = []
    for inputs_t, bias_t in zip(from_input.unbind(), bias.unbind(), strict=True):
        recurrent = cell.recurrent_input(state)  # (K, N, R)
        if learns:
            multiplied.append(recurrent.detach())
        state = cell.pointwise(inputs_t, torch.baddbmm(bias_t, recurrent, turned), state)
        outputs.append(state[0])
    return torch.stack(outputs)


def _places(small: int, large: int, size: int, largest: int) -> Tensor:
    """Where the rows of a network of hidden size `size` are among those of one of size `largest`, block by block."""
    if small == large:
        return torch.arange(small)
    blocks = torch.arange(small // size)[:, None] * largest  # (blocks, 1)
    return (blocks + torch.arange(size)).flatten()


class Fleet(nn.Module):
    """K networks of one cell, each of its own hidden size, with an output layer each.

    All have the largest size H. The units that a smaller network has too many get weights of zero, and `masks` tells
    where they are, so that they stay zero: such a unit says nothing to any other.

    Args:
        kind: a name in `model.cells.CELLS`.
        input_size: D.
        output_size: V.
        sizes: hidden sizes, one a network.
        seeds: one a network; with its size it decides the weights at the start.
    """

    def __init__(
        self, kind: str, input_size: int, output_size: int, sizes: Sequence[int], seeds: Sequence[int]
    ) -> None:
        super().__init__()
        with torch.device("meta"):  # only shapes: the weights come below
            self.cell, self.output = build_cell(kind, input_size, max(sizes)), nn.Linear(max(sizes), output_size)
            owns = [(build_cell(kind, input_size, size), nn.Linear(size, output_size)) for size in sizes]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.masks: list[Tensor] = []
        self.parameter_counts = [sum(each.numel() for own in pair for each in own.parameters()) for pair in owns]
        for place, module in enumerate((self.cell, self.output)):
            for name, parameter in list(module.named_parameters()):
                weights = torch.zeros(len(sizes), *parameter.shape)
                mask = torch.zeros_like(weights, dtype=torch.bool)
                for network, (own, size, generator) in enumerate(zip(owns, sizes, generators, strict=True)):
                    shape = own[place].get_parameter(name).shape
                    axes = [_places(*ends, size, max(sizes)) for ends in zip(shape, parameter.shape, strict=True)]
                    at = torch.meshgrid(*axes, indexing="ij")
                    weights[network][at] = DEVIATION * torch.randn(shape, generator=generator)
                    mask[network][at] = True
                rows = (len(sizes), -1, parameter.shape[-1])  # a vector is a row
                setattr(module, name, nn.Parameter(weights.view(rows)))
                self.masks.append(mask.view(rows))

    def hidden(self, inputs: Tensor) -> Tensor:
        """The h of each step: (K, T, N, D) -> (T, K, N, H)."""
        return unroll(self.cell, inputs)

    def scores(self, hidden: Tensor) -> Tensor:
        """The output layers: (K, M, H) -> (K, M, V)."""
        return torch.baddbmm(self.output.bias, hidden, self.output.weight.mT)

    def retain(self, networks: Sequence[int]) -> None:
        """Leaves only these networks in the fleet."""
        for module in (self.cell, self.output):
            for name, parameter in list(module.named_parameters()):
                setattr(module, name, nn.Parameter(parameter.detach()[list(networks)]))
        self.masks = [mask[list(networks)] for mask in self.masks]
        self.parameter_counts = [self.parameter_counts[network] for network in networks]
