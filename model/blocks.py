"""A language model one token further, for a block of texts at a time, with the same numbers whatever stands beside it.

A product's rows depend on its shape, since the shape decides in which order its sums are taken. So it always has the
shape of a whole block; what the other rows hold then changes nothing, nor how many of them are in use.

The weights are the left factor, W (G H, D) x X (D, BLOCK), and states stand the same way in memory: a gate is then one
contiguous piece, and the CPU's matrix units take the weights as they lie.
"""

import torch
from torch import Tensor

from model.cells import Cell, State
from model.language import LanguageModel

BLOCK = 16
"""Rows of a block: as many as a tile of AMX has columns. More of them take the time of several blocks."""


def product_dtype(device: torch.device) -> torch.dtype:
    """The type of products with the weights: bfloat16 where the device multiplies it faster than float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capabilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else torch.float32


class _Layer:
    """Any cell. It computes what `Cell.forward` does, with products in `dtype` and all else in float32."""

    def __init__(self, cell: Cell, dtype: torch.dtype) -> None:
        self.cell = cell
        self.dtype = dtype
        self.weight_ih = cell.weight_ih.to(dtype)  # (G H, D)
        self.weight_hh = cell.recurrent_weight().to(dtype)  # (G H, R)
        self.bias_ih = cell.bias_ih[:, None]  # (G H, 1)
        self.bias_hh = cell.bias_hh[:, None]

    def token_table(self) -> Tensor:
        """What each one-hot token gives this layer, (G H, V)."""
        return self.cell.weight_ih + self.bias_ih

    def project(self, inputs: Tensor) -> Tensor:
        """Inputs (D, N) in `dtype` to what they give this layer, (G H, N)."""
        return self.bias_ih + self.weight_ih @ inputs

    def step(self, from_input: Tensor, state: State) -> State:
        """From `project` or columns of the token table (G H, N), and the state before, (N, H) each, in float32."""
        recurrent = self.cell.recurrent_input(state).t().to(self.dtype)  # (R, N)
        from_state = self.bias_hh + self.weight_hh @ recurrent  # (G H, N)
        return self.cell.advance(from_input.t(), from_state.t(), state)


class BlockNetwork:
    """The model's own copy of its weights, cast once. Changes of the model's weights do not reach it."""

    def __init__(self, model: LanguageModel, dtype: torch.dtype) -> None:
        cells = model.recurrent.cells()
        self.layers = [_Layer(cell, dtype) for cell in cells]
        self.dtype = dtype
        self.num_states = cells[0].num_states
        self.shape = (model.config.hidden_size, BLOCK)
        self.device = model.device
        self.embedding = None if model.embedding is None else model.embedding.weight.to(dtype)  # (V, D)
        self.table = self.layers[0].token_table() if model.embedding is None else torch.empty(0)  # (G H, V)
        self.weight = model.output.weight.clone()  # (V, H)
        self.bias = model.output.bias[:, None].clone()  # (V, 1)

    def start(self) -> list[State]:
        """A block's state of zeros: for each layer (N, H) tensors."""
        return [
            tuple(torch.zeros(self.shape, device=self.device).t() for _ in range(self.num_states)) for _ in self.layers
        ]

    def step(self, tokens: Tensor, states: list[State]) -> Tensor:
        """Tokens (N,) of a block to the logits of the next ones (N, V), float32; `states` goes one step further."""
        if self.embedding is None:
            from_input = self.table.index_select(1, tokens)  # (G H, N)
        else:
            from_input = self.layers[0].project(self.embedding[tokens].t())
        for number, layer in enumerate(self.layers):
            if number:
                from_input = layer.project(hidden.to(self.dtype))
            states[number] = layer.step(from_input, states[number])
            hidden = states[number][0].t()  # (H, N)
        return (self.bias + self.weight @ hidden).t()  # (N, V)
