"""A text on its way through a language model, with what the cells of a layer do at each of its tokens."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.cells import Gates, State
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
        self._read: list[tuple[Tensor, Tensor]] = []
        """The layer's inputs and its h, of each chunk."""

    @property
    def left(self) -> int:
        """Tokens that have not been read."""
        return len(self.tokens) - self._place

    @torch.inference_mode()
    def read(self) -> None:
        """Reads the next chunk, if any is left."""
        chunk = self._ids[self._place : self._place + CHUNK]  # (t,)
        inputs, hidden = None, self.model.inputs(chunk[None])  # (1, t, D)
        for number, layer in enumerate(self._layers):
            inputs = hidden
            hidden, self._states[number] = layer(inputs, self._states[number])  # (1, t, H)
        assert inputs is not None
        self._read.append((inputs, hidden))
        self._place += len(chunk)

    @torch.inference_mode()
    def top(self, count: int) -> list[int]:
        """The cells whose h varied most over what has been read, that which varied most first."""
        hidden = torch.cat([hidden[0] for _, hidden in self._read])  # (T, H)
        places: list[int] = hidden.var(0, correction=0).topk(min(count, hidden.shape[1])).indices.tolist()
        return places

    @torch.inference_mode()
    def of(self, cells: Sequence[int]) -> CellStates:
        """The states and gates of these cells over what has been read."""
        chosen = list(cells)
        inputs, hidden = (torch.cat(parts, 1) for parts in zip(*self._read, strict=True))  # (1, T, D or H)
        cell = self.model.recurrent.cells()[self.layer - 1]
        if self.model.recurrent.kind in FUSED:
            found = trace_some(cell, chosen, inputs, hidden)
        else:
            every = trace(cell, inputs, cell.zero_state(inputs))
            gates = {name: values[:, :, chosen] for name, values in every.gates.items()}
            found = Trace(tuple(part[:, :, chosen] for part in every.states), gates)
        states = tuple(part[0].cpu() for part in found.states)
        return CellStates(chosen, states, {name: values[0].cpu() for name, values in found.gates.items()})
