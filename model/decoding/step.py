"""A network one token further, as a search sees it.

Rows of states and logits stand source by source: row b * K + k is hypothesis k of source b. The memory, read
by every step, stands once for all hypotheses of a source.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, Self, TypeVar

from torch import Tensor

from model.cells import State


class Memory(Protocol):
    """Everything that a step reads of B sources."""

    def take(self, sources: Tensor) -> Self:
        """The memory of some of the sources, by their numbers."""


M = TypeVar("M", bound=Memory)


class Step(NamedTuple):
    """A network's answer to the last tokens."""

    output: Tensor
    """Logits (N, V) of the next tokens."""
    state: State
    attention: Tensor | None
    """Weights (N, P) over a source's positions, where there is attention."""


StepFunction = Callable[[Tensor, State, M], Step]
"""From the last tokens (N,), the state and the memory."""
