"""A language model one token further, for a block of texts at a time, with the same numbers whatever stands beside it.

A product's rows depend on its shape in torch, since the shape decides in which order its sums are taken. So it always
has the shape of a whole block; what the other rows hold then changes nothing, nor how many of them are in use.

The weights are the left factor, W (G H, D) x X (D, BLOCK), and states stand the same way in memory: a gate is then one
contiguous piece, and the CPU's matrix units take the weights as they lie.

A compiled step has rows of its own where the CPU's kernels keep them apart, which is tried out when it is loaded. Then
one text takes the time of one.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import pad

from model.cells import State
from model.openvino.precision import fast_dtype
from model.tasks.text.language import CompiledStep, LanguageModel

BLOCK = 16
"""Rows of a block: as many as a tile of AMX has columns. More of them take the time of several blocks."""
VECTOR = 32
"""Elements that a CPU's vector loops take at a time. What is left over is computed otherwise, in other last bits."""
SERIAL = 32768 // BLOCK - VECTOR
"""Rows (of BLOCK elements) that torch does not share among threads, whose shares would end anywhere."""


class Network(ABC):
    """A model's weights for blocks, cast once. Changes of the model's weights do not reach it.

    Args:
        model: whose.
        dtype: of the products in the recurrent layers; all else is float32.
    """

    width = BLOCK
    """Rows of a block; 0 where a block may have any number of them."""
    short = 0
    """Tokens of a prompt that are read in steps, beside the other texts, rather than at a go by the model itself."""

    def __init__(self, model: LanguageModel, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.hidden_size = model.config.hidden_size
        self.embedding = None if model.embedding is None else _widened(model.embedding.weight).to(dtype)  # (V, D)
        cells = model.recurrent.cells()
        self.num_inputs = cells[0].input_size + -cells[0].input_size % VECTOR  # D
        self.weight = model.output.weight.clone()  # (V, H)
        self.bias = model.output.bias[:, None].clone()  # (V, 1)

    @abstractmethod
    def block(self, rows: int = BLOCK) -> "Block":
        """A block of its own state, with as many rows where `width` is 0."""

    def logits(self, hidden: Tensor) -> Tensor:
        """The last layer's outputs (H, BLOCK) to logits (BLOCK, V)."""
        return (self.bias + self.weight @ hidden).t()


class Block(ABC):
    """The states of as many texts as a product has rows."""

    @abstractmethod
    def put(self, row: int, state: State | None) -> None:
        """Gives a row the state after a prompt, (L, 1, H) tensors; zeros if None."""

    @abstractmethod
    def step(self, tokens: Tensor, rows: int) -> Tensor:
        """One token further.

        Args:
            tokens: (N,), of all rows of the block.
            rows: how many of the first rows are in use.

        Returns:
            Logits of the next tokens (rows, V), float32.
        """


def build_network(model: LanguageModel, dtype: torch.dtype | None) -> Network:
    """The fastest that does what the model does; in torch if a dtype is given."""
    if model.compiled is not None and dtype is None:
        return CompiledNetwork(model, model.compiled)
    dtype = dtype or fast_dtype(model.device)
    return LSTMNetwork(model, dtype) if model.config.cell == "lstm" else CellNetwork(model, dtype)


class CompiledNetwork(Network):
    """Any cell, in a program of its own: see `model.openvino.networks`."""

    short = 16  # to begin costs torch as much as ten steps

    def __init__(self, model: LanguageModel, step: CompiledStep) -> None:
        self.dtype = step.dtype
        self.hidden_size = model.config.hidden_size
        self.program, self.parts = step.program, step.parts
        self.width = 0 if step.independent else BLOCK

    def block(self, rows: int = BLOCK) -> "CompiledBlock":
        return CompiledBlock(self, self.width or rows)


class CompiledBlock(Block):
    """Of a program."""

    def __init__(self, network: CompiledNetwork, rows: int) -> None:
        self.network = network
        self.state = torch.zeros(network.parts, rows, network.hidden_size)  # (parts, N, H)
        self.used = tuple(self.state)  # (N, H) each
        """The rows that were last asked for: the same tensors each time are known to the program."""

    def put(self, row: int, state: State | None) -> None:
        self.state[:, row] = 0.0 if state is None else torch.cat(state)[:, 0]

    def step(self, tokens: Tensor, rows: int) -> Tensor:
        used = self.network.width or rows
        if used != len(self.used[0]):
            self.used = tuple(self.state[:, :used])
        return self.network.program.recur(tokens[:used], self.used)[:rows]


class CellNetwork(Network):
    """Any cell: what `Cell.forward` does."""

    def __init__(self, model: LanguageModel, dtype: torch.dtype) -> None:
        super().__init__(model, dtype)
        self.cells = model.recurrent.cells()
        self.weight_ih = [cell.weight_ih.to(dtype) for cell in self.cells]  # (G H, D) each
        self.weight_ih[0] = _widened(self.weight_ih[0])
        self.weight_hh = [cell.recurrent_weight().to(dtype) for cell in self.cells]  # (G H, R)
        self.bias_ih = [cell.bias_ih[:, None].clone() for cell in self.cells]  # (G H, 1)
        self.bias_hh = [cell.bias_hh[:, None].clone() for cell in self.cells]

    def block(self, rows: int = BLOCK) -> "CellBlock":
        return CellBlock(self)


class CellBlock(Block):
    """Of any cell."""

    def __init__(self, network: CellNetwork) -> None:
        self.network = network
        zeros = network.weight.new_zeros
        self.states: list[State] = [  # (H, N) tensors for each layer, h first
            tuple(zeros(network.hidden_size, BLOCK) for _ in range(cell.num_states)) for cell in network.cells
        ]

    def put(self, row: int, state: State | None) -> None:
        for number, layer in enumerate(self.states):
            for place, part in enumerate(layer):
                part[:, row] = 0.0 if state is None else state[place][number, 0]

    def step(self, tokens: Tensor, rows: int) -> Tensor:
        network, dtype = self.network, self.network.dtype
        if network.embedding is None:
            inputs = network.weight.new_zeros(network.num_inputs, BLOCK).scatter_(0, tokens[None], 1.0)  # (D, N)
        else:
            inputs = network.embedding[tokens].t()  # (D, N)
        for number, cell in enumerate(network.cells):
            state = tuple(part.t() for part in self.states[number])  # (N, H) each
            recurrent = cell.recurrent_input(state).t().to(dtype)  # (R, N)
            from_input = network.bias_ih[number] + network.weight_ih[number] @ inputs.to(dtype)  # (G H, N)
            from_state = network.bias_hh[number] + network.weight_hh[number] @ recurrent  # (G H, N)
            self.states[number] = tuple(part.t() for part in cell.advance(from_input.t(), from_state.t(), state))
            inputs = self.states[number][0]  # (H, N)
        return network.logits(inputs)[:rows]


class LSTMNetwork(Network):
    """The equations of `model.cells.LSTM` with one product a layer, and the three gates side by side."""

    def __init__(self, model: LanguageModel, dtype: torch.dtype) -> None:
        super().__init__(model, dtype)
        self.weights, self.biases = [], []
        for number, cell in enumerate(model.recurrent.cells()):
            weight_ih = cell.weight_ih if number else _widened(cell.weight_ih)
            weight = torch.cat([weight_ih, cell.weight_hh], 1)  # (4 H, D + H)
            self.weights.append(_gates_first(weight).to(dtype))
            self.biases.append(_gates_first(cell.bias_ih + cell.bias_hh)[:, None])  # (4 H, 1)

    def block(self, rows: int = BLOCK) -> "LSTMBlock":
        return LSTMBlock(self)


class LSTMBlock(Block):
    """Of LSTMs. Takes no new memory in a step.

    All layers' h stand below each other, after the inputs: what a layer multiplies, its inputs and its own h of the
    step before, is then one piece. Only the products take whole blocks; what follows works on the columns in use.
    """

    def __init__(self, network: LSTMNetwork) -> None:
        self.network = network
        size, layers = network.hidden_size, len(network.weights)
        self.stack = network.weights[0].new_zeros(network.num_inputs + layers * size, BLOCK)  # (D + L H, N)
        self.inputs = self.stack[: network.num_inputs]  # (D, N)
        self.h = self.stack[network.num_inputs :].split(size)  # (H, N) each
        starts = [0, *range(network.num_inputs, len(self.stack), size)]
        self.multiplied = [
            self.stack[start : start + weight.shape[1]] for start, weight in zip(starts, network.weights, strict=False)
        ]
        self.product = self.stack.new_zeros(4 * size, BLOCK)
        self.outputs = network.weight.new_zeros(size, BLOCK)  # (H, N), float32
        # Fewer columns are as good as all where they fill whole vectors.
        self.widths = [width for width in (1, 2, 4, 8) if size * width % VECTOR == 0] + [BLOCK]
        self.c = [self.outputs.new_zeros(size, BLOCK) for _ in network.weights]
        self._widen(BLOCK)

    def _widen(self, rows: int) -> None:
        """Makes the memory of a step as wide as the rows in use ask."""
        size = self.network.hidden_size
        self.width = width = next(width for width in self.widths if width >= rows)  # M
        self.sums = self.outputs.new_zeros(4 * size, width)  # (4 H, M), float32
        gates, self.g = self.sums.split([3 * size, size])
        self.gates = gates.split(SERIAL)
        self.i, self.f, self.o = gates.chunk(3)  # (H, M) each
        self.tanh_c = self.outputs.new_zeros(size, width)  # (H, M)
        kept = min(width, self.c[0].shape[1])
        self.c = [pad(c[:, :kept], (0, width - kept)).contiguous() for c in self.c]  # (H, M) each
        self.used_product, self.used_outputs = self.product[:, :width], self.outputs[:, :width]
        self.used_h = [h[:, :width] for h in self.h]

    def put(self, row: int, state: State | None) -> None:
        if row >= self.width:
            self._widen(row + 1)
        for number, parts in enumerate(zip(self.h, self.c, strict=True)):
            for place, part in enumerate(parts):
                part[:, row] = 0.0 if state is None else state[place][number, 0]

    def step(self, tokens: Tensor, rows: int) -> Tensor:
        network = self.network
        if next(width for width in self.widths if width >= rows) != self.width:
            self._widen(rows)
        if network.embedding is None:
            self.inputs.zero_().scatter_(0, tokens[None], 1.0)
        else:
            self.inputs.copy_(network.embedding[tokens].t())
        for weight, bias, multiplied, h, c in zip(
            network.weights, network.biases, self.multiplied, self.used_h, self.c, strict=True
        ):
            torch.mm(weight, multiplied, out=self.product)
            torch.add(bias, self.used_product, out=self.sums)
            for gates in self.gates:
                gates.sigmoid_()
            self.g.tanh_()
            c.mul_(self.f).addcmul_(self.i, self.g)
            torch.mul(self.o, torch.tanh(c, out=self.tanh_c), out=self.used_outputs)
            h.copy_(self.used_outputs)
        return network.logits(self.outputs)[:rows]


def _widened(weight: Tensor) -> Tensor:
    """A weight (M, D) with columns of zeros up to whole vectors, which products are far quicker with."""
    return pad(weight, (0, -weight.shape[1] % VECTOR))


def _gates_first(blocks: Tensor) -> Tensor:
    """Blocks i, f, g, o of a weight or a bias in the order i, f, o, g."""
    i, f, g, o = blocks.chunk(4)
    return torch.cat([i, f, o, g])
