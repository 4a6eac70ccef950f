"""Words that some of the sources must not say, kept out of a search by a step and a memory around the network's own."""

from typing import Any, NamedTuple

from torch import Tensor

from model.cells import State
from model.decoding.constraints import NEVER
from model.decoding.search import Step, StepFunction


class BarredMemory(NamedTuple):
    """A memory of B sources, with the words that each must not say."""

    memory: Any
    words: Tensor  # (B, V), true for words that are barred

    def take(self, sources: Tensor) -> "BarredMemory":
        """The memory of some of the sources, by their numbers."""
        return BarredMemory(self.memory.take(sources), self.words.index_select(0, sources))


def barring(step: StepFunction[Any]) -> StepFunction[BarredMemory]:
    """A step whose probabilities are those of the words that are left; the memory says which are barred."""

    def barred_step(tokens: Tensor, state: State, barred: BarredMemory) -> Step:
        found = step(tokens, state, barred.memory)
        rows = len(tokens) // len(barred.words)  # K
        return found._replace(output=found.output.masked_fill(barred.words.repeat_interleave(rows, 0), NEVER))

    return barred_step
