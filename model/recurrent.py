"""Layers of any cell over time: torch's fused kernels where it has one, a loop that leaves little inside it elsewhere.

A plain loop over time does two things at each step that can be done once for all steps: the product with the input,
and the one that gives the recurrent weight its gradient, dW = sum_t (dL/ds_t)^T h_{t-1}, where s are the sums before
the gates' functions. Without them, a step has one product each way and the cell's pointwise operations.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import dropout, linear, pad

from model.cells import Cell, Gates, State, build_cell

FUSED: dict[str, Callable[..., nn.RNNBase]] = {
    "rnn": lambda *sizes, **options: nn.RNN(*sizes, **options),
    "rnn-relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


class _DeferredWeight(torch.autograd.Function):
    """The identity on a sequence of sums, which accumulates the recurrent weight's gradient.

    The steps use the weight without recording it, and keep the vectors that they multiplied it with. After autograd has
    been through all steps, the gradient of all sums arrives here, and one product with the vectors gives the weight's.
    """

    @staticmethod
    def forward(ctx: Any, sums: Tensor, weight: Tensor, multiplied: list[Tensor]) -> Tensor:
        ctx.multiplied = multiplied
        return sums.view_as(sums)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        multiplied = torch.cat(ctx.multiplied).to(gradient.dtype)  # (T N, R); autocast makes them differ
        return gradient, gradient.flatten(0, 1).t() @ multiplied, None  # (T, N, G H), (G H, R)


def unroll(cell: Cell, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    """A cell over all steps of inputs (T, N, D): h of each step (T, N, H), and the last state."""
    from_input = cell.project(inputs)  # (T, N, G H)
    weight = cell.recurrent_weight()  # (G H, R)
    bias = cell.bias_hh.expand_as(from_input)  # (T, N, G H)
    learns = torch.is_grad_enabled() and weight.requires_grad
    multiplied: list[Tensor] = []
    if learns:
        bias = _DeferredWeight.apply(bias, weight, multiplied)
    turned = weight.detach().t()  # (R, G H)
    outputs = []
    for inputs_t, bias_t in zip(from_input.unbind(), bias.unbind(), strict=True):
        recurrent = cell.recurrent_input(state)  # (N, R)
        if learns:
            multiplied.append(recurrent.detach())
        state = cell.pointwise(inputs_t, torch.addmm(bias_t, recurrent, turned), state)
        outputs.append(state[0])
    return torch.stack(outputs), state


def reversal(mask: Tensor) -> Tensor:
    """The place (N, T) that each place of a sentence changes with when it is read backwards; padding stays.

    Taken twice it is the identity.
    """
    places = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)  # (N, T)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - places, places)


class Trace(NamedTuple):
    """All that a layer does: its state after each step, and its gates at each step, (N, T, H) each."""

    states: State
    gates: Gates

    @property
    def last(self) -> State:
        """The last state, (N, H) each."""
        return tuple(part[:, -1] for part in self.states)


def trace(cell: Cell, inputs: Tensor, state: State) -> Trace:
    """A cell over all steps of inputs (N, T, D), for those who want to see more than h; it leaves no graph."""
    with torch.no_grad():
        turned = cell.recurrent_weight().t()  # (R, G H)
        steps = []
        for inputs_t in cell.project(inputs).unbind(1):  # (N, G H) each
            from_state = torch.addmm(cell.bias_hh, cell.recurrent_input(state), turned)  # (N, G H)
            steps.append(cell.equations(inputs_t, from_state, state))
            state = steps[-1][1]
        return _joined(steps)


def trace_some(cell: Cell, places: list[int], inputs: Tensor, hidden: Tensor) -> Trace:
    """The same for K cells of a layer, from a state of zeros, where h after each step (N, T, H) is known already.

    All products are then done at once. For kinds in `FUSED`, whose equations have no parameters of their own.
    """
    with torch.no_grad():
        rows = [block * cell.hidden_size + place for block in range(cell.num_gates) for place in places]
        before = pad(hidden, (0, 0, 1, -1))  # (N, T, H), zeros at the first step
        from_input = linear(inputs, cell.weight_ih[rows], cell.bias_ih[rows])  # (N, T, G K)
        from_state = linear(before, cell.weight_hh[rows], cell.bias_hh[rows])  # (N, T, G K)
        state: State = (hidden.new_zeros(len(hidden), len(places)),) * cell.num_states
        steps = []
        for inputs_t, from_state_t in zip(from_input.unbind(1), from_state.unbind(1), strict=True):
            steps.append(cell.equations(inputs_t, from_state_t, state))
            state = steps[-1][1]
        return _joined(steps)


def _joined(steps: Sequence[tuple[Gates, State]]) -> Trace:
    gates, states = zip(*steps, strict=True)
    return Trace(
        tuple(torch.stack(parts, 1) for parts in zip(*states, strict=True)),
        {name: torch.stack([found[name] for found in gates], 1) for name in gates[0]},
    )


class Layers(nn.ModuleList):
    """Cells on top of each other, called as `nn.LSTM` is: state tensors are (L, N, H), dropout is between layers."""

    def __init__(self, kind: str, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        super().__init__(build_cell(kind, size, hidden_size) for size in sizes)
        self.dropout = dropout

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(N, T, D) -> (N, T, H)."""
        outputs = inputs.transpose(0, 1).contiguous()  # (T, N, D)
        lasts: list[State] = []
        for layer, cell in enumerate(self):
            assert isinstance(cell, Cell)
            if layer:
                outputs = dropout(outputs, self.dropout, self.training)
            before = tuple(part[layer] for part in state) if state else cell.zero_state(inputs)
            outputs, last = unroll(cell, outputs, before)  # (T, N, H)
            lasts.append(last)
        return outputs.transpose(0, 1), tuple(torch.stack(parts) for parts in zip(*lasts, strict=True))


class Recurrent(nn.Module):
    """L layers of a cell over time.

    Where torch has a fused kernel, `network` is torch's own module, and its parameters have torch's names
    (`network.weight_ih_l0`); elsewhere it is `Layers`, with the cells' names (`network.0.weight_ih`).

    Args:
        kind: a name in `model.cells.CELLS`; any other is a ValueError.
        dropout: share of a layer's outputs that the layer above does not see, in training.
        fused: False takes `Layers` for all kinds.
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        *,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.kind, self.input_size, self.hidden_size, self.num_layers = kind, input_size, hidden_size, num_layers
        between = dropout if num_layers > 1 else 0.0  # torch warns of dropout that has nowhere to be
        if fused and kind in FUSED:
            options = {"dropout": between, "batch_first": True}
            self.network: nn.RNNBase | Layers = FUSED[kind](input_size, hidden_size, num_layers, **options)
        else:
            self.network = Layers(kind, input_size, hidden_size, num_layers, between)

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Inputs (N, T, D) to h of the last layer at each step (N, T, H), and the last state.

        The tensors of a state are (L, N, H); it is that of the call before, zeros if None.
        """
        if isinstance(self.network, (Layers, nn.LSTM)):
            return self.network(inputs, state)  # type: ignore[no-any-return]
        outputs, last = self.network(inputs, state[0] if state else None)
        return outputs, (last,)

    def traces(self, inputs: Tensor, before: Sequence[State] | None = None) -> list[Trace]:
        """Inputs (N, T, D) to all that each layer does with them, without dropout.

        `before` is each layer's `Trace.last` of the call before, zeros if None.
        """
        traces: list[Trace] = []
        for layer, cell in enumerate(self.cells()):
            traces.append(trace(cell, inputs, before[layer] if before else cell.zero_state(inputs)))
            inputs = traces[-1].states[0]  # (N, T, H)
        return traces

    def layers(self) -> list["Recurrent"]:
        """Each layer as a network of its own that shares these parameters."""
        layers = []
        for cell in self.cells():
            with torch.device("meta"):
                layer = Recurrent(
                    self.kind, cell.input_size, self.hidden_size, fused=not isinstance(self.network, Layers)
                )
            if isinstance(layer.network, Layers):
                layer.network[0] = cell
            else:
                for name, parameter in cell.named_parameters():
                    setattr(layer.network, f"{name}_l0", parameter)
            layers.append(layer)
        return layers

    def cells(self) -> list[Cell]:
        """The layers as cells that share these parameters, to go a step at a time."""
        if isinstance(self.network, Layers):
            return list(self.network)  # type: ignore[arg-type]
        cells = []
        for layer in range(self.num_layers):
            with torch.device("meta"):  # neither memory nor random numbers for weights that are replaced at once
                cell = build_cell(self.kind, self.hidden_size if layer else self.input_size, self.hidden_size)
            for name in dict(cell.named_parameters()):
                setattr(cell, name, getattr(self.network, f"{name}_l{layer}"))
            cells.append(cell)
        return cells
