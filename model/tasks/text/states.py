"""A text on its way through a language model, with what the cells of a layer do at each of its tokens."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from model.cells import LSTM, Gates, State
from model.recurrent import FUSED, Trace, trace, trace_some
from model.tasks.text.language import LanguageModel
from model.vocabulary import pieces

CHUNK = 256
"""Tokens that are read in one go, on cores that others may be waiting for. A call of torch's takes 2 ms to begin."""


class CellStates(NamedTuple):
    """Chosen cells over a text of T tokens, (T, K) each."""

    cells: list[int]  # K places in the layer
    states: State  # h, then whatever else the kind of cell carries; after each token
    gates: Gates  # at each token


class StateReader:
    """A text that is read a chunk at a time, in torch and in single precision, from a state of zeros.

    Args:
        layer: from 1, the layer that reads the text; those above it are left out.
    """

    def __init__(self, model: LanguageModel, text: str, layer: int) -> None:
        if not 1 <= layer <= model.config.num_layers:
            raise ValueError(f"layer={layer}: there are layers 1 to {model.config.num_layers}")
        self.model, self.layer = model, layer
        self.tokens = pieces(text, model.config.unit)
        """The text's characters or words, also those that the model reads as unknown."""
        self._ids = torch.tensor(model.vocabulary.encode(self.tokens), device=model.device)  # (T,)
        self._layers = model.recurrent.layers()[:layer]
        self._states: list[State | None] = [None] * layer
        self._place = 0
        self._read: list[list[Tensor]] = []
        """The inputs of the first layer and the h of each, of each chunk."""

    @property
    def left(self) -> int:
        """Tokens that have not been read."""
        return len(self.tokens) - self._place

    @torch.inference_mode()
    def read(self) -> None:
        """Reads the next chunk, if any is left."""
        chunk = self._ids[self._place : self._place + CHUNK]  # (t,)
        read = [self.model.inputs(chunk[None])]  # (1, t, D)
        for number, layer in enumerate(self._layers):
            hidden, self._states[number] = layer(read[-1], self._states[number])  # (1, t, H)
            read.append(hidden)
        self._read.append(read)
        self._place += len(chunk)

    @torch.inference_mode()
    def top(self, count: int) -> list[int]:
        """The cells whose h varied most over what has been read, that which varied most first."""
        hidden = torch.cat([read[-1][0] for read in self._read])  # (T, H)
        places: list[int] = hidden.var(0, correction=0).topk(min(count, hidden.shape[1])).indices.tolist()
        return places

    @torch.inference_mode()
    def of(self, cells: Sequence[int]) -> CellStates:
        """The states and gates of these cells over what has been read."""
        chosen = list(cells)
        found = self._trace(self.layer, chosen)
        states = tuple(part[0].cpu() for part in found.states)
        return CellStates(chosen, states, {name: values[0].cpu() for name, values in found.gates.items()})

    @torch.inference_mode()
    def activity(self) -> Tensor:
        """tanh(c) of all cells of this layer and those below, or h of cells without c, over what has been read.

        Returns:
            (L, T, H), in -1..1 unless a cell's h knows no bounds.
        """
        layers = range(1, self.layer + 1)
        return torch.stack([self._activity(layer)[0] for layer in layers]).cpu()  # (L, T, H)

    def _activity(self, layer: int) -> Tensor:
        """The same of one layer, (1, T, H)."""
        cell = self.model.recurrent.cells()[layer - 1]
        if cell.num_states == 1:
            return self._hidden(layer)
        if isinstance(cell, LSTM):  # h = o * tanh(c), and o needs no loop where h is known: a tenth of the time
            gate = slice(cell.blocks.index("o") * cell.hidden_size, (cell.blocks.index("o") + 1) * cell.hidden_size)
            hidden = self._hidden(layer)
            before = pad(hidden, (0, 0, 1, -1))  # (1, T, H), zeros at the first step
            sums = linear(self._hidden(layer - 1), cell.weight_ih[gate], cell.bias_ih[gate])
            sums = sums + linear(before, cell.weight_hh[gate], cell.bias_hh[gate])  # (1, T, H)
            return (hidden / sums.sigmoid()).nan_to_num(0).clamp(-1, 1)
        return self._trace(layer, list(range(cell.hidden_size))).states[1].tanh()

    def _trace(self, layer: int, chosen: list[int]) -> Trace:
        """All that these cells of a layer did, (1, T, K) each."""
        cell, inputs = self.model.recurrent.cells()[layer - 1], self._hidden(layer - 1)
        if self.model.recurrent.kind in FUSED:
            return trace_some(cell, chosen, inputs, self._hidden(layer))
        every = trace(cell, inputs, cell.zero_state(inputs))
        gates = {name: values[:, :, chosen] for name, values in every.gates.items()}
        return Trace(tuple(part[:, :, chosen] for part in every.states), gates)

    def _hidden(self, layer: int) -> Tensor:
        """The h of a layer, (1, T, H); of layer 0, the inputs of the first, (1, T, D)."""
        return torch.cat([read[layer] for read in self._read], 1)
