"""One step of many texts, with the same numbers whatever texts stand side by side.

In torch a product's rows depend on its shape, since the shape decides the order in which sums are taken. So products
always have the shape of a whole block: the other rows change nothing, whatever they hold and however many are in use.

The weights are the left factor, W (G H, D) x X (D, BLOCK), and states stand the same way in memory: a gate is then one
contiguous piece, and the CPU's matrix units take the weights as they lie.

A compiled step (`model.tasks.text.networks`) may have as many rows as there are texts, if the CPU's kernels keep rows
apart. Loading tries that. One text then takes the time of one.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import pad

from model.cells import State
from model.openvino.precision import fast_dtype
from model.tasks.text.language import LanguageModel

BLOCK = 16
"""Rows of a block: as many as an AMX tile has columns. More take the time of several blocks."""
VECTOR = 32
"""Elements that a CPU's vector loops take at a time. The remainder goes another way, with other last bits."""
SERIAL = 32768 // BLOCK - VECTOR
"""Most rows of BLOCK elements for which torch keeps to one thread: several would divide them at any place."""


class Stepper(ABC):
    """Steps of a language model, for blocks of texts."""

    dtype: torch.dtype  # of the recurrent layers' products, where the CPU has it; all else is float32
    width = BLOCK  # rows of a block; 0 if a block may have any number of them
    short = 0
    """Prompts of up to this many tokens go through the batch's own steps instead of a separate call of the model."""

    @abstractmethod
    def block(self, rows: int = BLOCK) -> "Block":
        """A block of states of its own, with as many rows if `width` is 0."""


class Block(ABC):
    """The states of the texts in a block."""

    @abstractmethod
    def put(self, row: int, state: State | None) -> None:
        """Gives a row the state after a prompt, (L, 1, H) tensors, or one that was taken; zeros if None."""

    @abstractmethod
    def take(self, row: int) -> State:
        """A copy of a row's state, for `put` of any block of the same stepper."""

    @abstractmethod
    def step(self, tokens: Tensor, rows: int) -> Tensor:
        """Last tokens (N,), of all rows of the block, to logits of the next (rows, V), float32, of the first rows."""


class TorchStepper(Stepper):
    """A model's weights, cast once. Later changes of the model's weights do not reach it."""

    def __init__(self, model: LanguageModel, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.hidden_size = model.config.hidden_size
        self.embedding = None if model.embedding is None else _widened(model.embedding.weight).to(dtype)  # (V, D)
        cells = model.recurrent.cells()
        self.num_inputs = cells[0].input_size + -cells[0].input_size % VECTOR  # D
        self.weight = model.output.weight.clone()  # (V, H)
        self.bias = model.output.bias[:, None].clone()  # (V, 1)

    def logits(self, hidden: Tensor) -> Tensor:
        """The last layer's outputs (H, BLOCK) to logits (BLOCK, V)."""
        return (self.bias + self.weight @ hidden).t()


def build_stepper(model: LanguageModel, dtype: torch.dtype | None) -> Stepper:
    """The model's own stepper, or the fastest in torch; always in torch if a dtype is given."""
    if model.stepper is not None and dtype is None:
        return model.stepper
    dtype = dtype or fast_dtype(model.device)
    return LSTMStepper(model, dtype) if model.config.cell == "lstm" else CellStepper(model, dtype)


class CellStepper(TorchStepper):
    """Steps of any cell, as `Cell.forward` computes them."""

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
    """The states of any cell."""

    def __init__(self, stepper: CellStepper) -> None:
        self.stepper = stepper
        zeros = stepper.weight.new_zeros
        self.states: list[State] = [  # (H, N) tensors for each layer, h first
            tuple(zeros(stepper.hidden_size, BLOCK) for _ in range(cell.num_states)) for cell in stepper.cells
        ]

    def put(self, row: int, state: State | None) -> None:
        for number, layer in enumerate(self.states):
            for place, part in enumerate(layer):
                part[:, row] = 0.0 if state is None else state[place][number, 0]

    def take(self, row: int) -> State:
        return tuple(
            torch.stack([part[:, None, row] for part in layers]).mT for layers in zip(*self.states, strict=True)
        )

    def step(self, tokens: Tensor, rows: int) -> Tensor:
        stepper, dtype = self.stepper, self.stepper.dtype
        if stepper.embedding is None:
            inputs = stepper.weight.new_zeros(stepper.num_inputs, BLOCK).scatter_(0, tokens[None], 1.0)  # (D, N)
        else:
            inputs = stepper.embedding[tokens].t()  # (D, N)
        for number, cell in enumerate(stepper.cells):
            state = tuple(part.t() for part in self.states[number])  # (N, H) each
            recurrent = cell.recurrent_input(state).t().to(dtype)  # (R, N)
            from_input = stepper.bias_ih[number] + stepper.weight_ih[number] @ inputs.to(dtype)  # (G H, N)
            from_state = stepper.bias_hh[number] + stepper.weight_hh[number] @ recurrent  # (G H, N)
            self.states[number] = tuple(part.t() for part in cell.pointwise(from_input.t(), from_state.t(), state))
            inputs = self.states[number][0]  # (H, N)
        return stepper.logits(inputs)[:rows]


class LSTMStepper(TorchStepper):
    """Steps of LSTMs: the equations of `model.cells.LSTM`, with one product a layer and the gates side by side."""

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
    """The states of LSTMs. A step allocates no memory.

    All layers' h stand below each other, after the inputs: the inputs of a layer and its own h of the step before are
    then one piece for its product. Only products take whole blocks; the rest works on the columns in use.
    """

    def __init__(self, stepper: LSTMStepper) -> None:
        self.stepper = stepper
        size, layers = stepper.hidden_size, len(stepper.weights)
        self.stack = stepper.weights[0].new_zeros(stepper.num_inputs + layers * size, BLOCK)  # (D + L H, N)
        self.inputs = self.stack[: stepper.num_inputs]  # (D, N)
        self.h = self.stack[stepper.num_inputs :].split(size)  # (H, N) each
        starts = [0, *range(stepper.num_inputs, len(self.stack), size)]
        pairs = zip(starts, stepper.weights, strict=False)
        self.multiplied = [self.stack[start : start + weight.shape[1]] for start, weight in pairs]
        self.product = self.stack.new_zeros(4 * size, BLOCK)
        self.outputs = stepper.weight.new_zeros(size, BLOCK)  # (H, N), float32
        # Fewer columns are as good as all where they fill whole vectors.
        self.widths = [width for width in (1, 2, 4, 8) if size * width % VECTOR == 0] + [BLOCK]
        self.c = [self.outputs.new_zeros(size, BLOCK) for _ in stepper.weights]
        self._widen(BLOCK)

    def _widen(self, rows: int) -> None:
        """Makes the memory of a step wide enough for the rows in use."""
        size = self.stepper.hidden_size
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

    def take(self, row: int) -> State:
        return tuple(torch.stack([part[:, None, row] for part in layers]).mT for layers in (self.h, self.c))

    def step(self, tokens: Tensor, rows: int) -> Tensor:
        stepper = self.stepper
        if next(width for width in self.widths if width >= rows) != self.width:
            self._widen(rows)
        if stepper.embedding is None:
            self.inputs.zero_().scatter_(0, tokens[None], 1.0)
        else:
            self.inputs.copy_(stepper.embedding[tokens].t())
        for weight, bias, multiplied, h, c in zip(
            stepper.weights, stepper.biases, self.multiplied, self.used_h, self.c, strict=True
        ):
            torch.mm(weight, multiplied, out=self.product)
            torch.add(bias, self.used_product, out=self.sums)
            for gates in self.gates:
                gates.sigmoid_()
            self.g.tanh_()
            c.mul_(self.f).addcmul_(self.i, self.g)
            torch.mul(self.o, torch.tanh(c, out=self.tanh_c), out=self.used_outputs)
            h.copy_(self.used_outputs)
        return stepper.logits(self.outputs)[:rows]


def _widened(weight: Tensor) -> Tensor:
    """A weight (M, D) with columns of zeros up to whole vectors, which makes products far quicker."""
    return pad(weight, (0, -weight.shape[1] % VECTOR))


def _gates_first(blocks: Tensor) -> Tensor:
    """Blocks i, f, g, o of a weight or a bias in the order i, f, o, g."""
    i, f, g, o = blocks.chunk(4)
    return torch.cat([i, f, o, g])
