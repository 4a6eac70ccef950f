"""A text on its way through a language model, with what the cells of a layer do at each of its tokens."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.cells import Gates, State
from model.recurrent import Trace
from model.tasks.text.language import LanguageModel
from model.vocabulary import pieces

CHUNK = 64
"""Tokens that are read in one go, on cores that others may be waiting for."""


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
        self._place = 0
        self._before: list[State] | None = None
        self._traces: list[Trace] = []

    @property
    def left(self) -> int:
        """Tokens that have not been read."""
        return len(self.tokens) - self._place

    @torch.inference_mode()
    def read(self) -> None:
        """Reads the next chunk, if any is left."""
        chunk = self._ids[self._place : self._place + CHUNK]  # (T,)
        traces = self.model.recurrent.traces(self.model.inputs(chunk[None]), self._before, self.layer)
        self._before = [trace.last for trace in traces]
        self._traces.append(traces[-1])
        self._place += len(chunk)

    @torch.inference_mode()
    def top(self, count: int) -> list[int]:
        """The cells whose h varied most over what has been read, that which varied most first."""
        hidden = torch.cat([trace.states[0][0] for trace in self._traces])  # (T, H)
        return hidden.var(0, correction=0).topk(min(count, hidden.shape[1])).indices.tolist()

    @torch.inference_mode()
    def of(self, cells: Sequence[int]) -> CellStates:
        """What these cells did over what has been read."""
        chosen = list(cells)
        parts = zip(*(trace.states for trace in self._traces), strict=True)
        states = tuple(_joined(part, chosen) for part in parts)
        names = self._traces[0].gates
        gates = {name: _joined([trace.gates[name] for trace in self._traces], chosen) for name in names}
        return CellStates(chosen, states, gates)


def _joined(pieces: Sequence[Tensor], cells: list[int]) -> Tensor:
    """Values of these cells (T, K), out of those of all, (1, t, H) a piece."""
    return torch.cat([piece[0][:, cells] for piece in pieces]).cpu()
