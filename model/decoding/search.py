"""The parameters of a search, for any task that writes sequences."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Search:
    """Parameters of a search. A task's own configuration has their ranges, and says how it becomes these."""

    method: Literal["greedy", "beam", "sample"] = "beam"
    beam_size: int = 3
    num_sequences: int = 1
    """Sequences returned for a source, best first: beams, diverse beam groups, or independent samples."""
    max_length: int = 20
    """Most tokens written; a sequence that has not ended by then is cut."""
    length_penalty: float = 0.0
    """Hypotheses rank by log-probability / length ** length_penalty: 0 turns it off, more favours longer ones."""
    temperature: float = 1.0
    """Divides the logits before sampling; below 1 sharpens."""
    top_k: int = 0
    """Sample among the k most likely tokens only; 0 turns it off."""
    top_p: float = 1.0
    """Sample among the fewest tokens whose probabilities reach p; 1 turns it off."""
    diversity: float = 0.0
    """Diverse beam search (Vijayakumar et al., 2016): penalty for a token that another group has at the same step."""
    seed: int | None = None
    """Makes sampling repeatable."""

    @property
    def num_groups(self) -> int:
        """Groups G of a diverse beam search, one a sequence, which share the beams; else 1."""
        return self.num_sequences if self.method == "beam" and self.diversity else 1

    @property
    def rows_per_source(self) -> int:
        """Hypotheses K that the search keeps for each source."""
        if self.method == "greedy":
            return 1
        if self.method == "sample":
            return self.num_sequences
        return self.beam_size // self.num_groups * self.num_groups
