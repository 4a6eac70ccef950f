"""The next token of many texts, each by its own rules and from its own random numbers, in a few operations for all."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from model.decoding.sampling import inverse_transform, keep_nucleus, keep_top_k
from model.tasks.text.config import GenerationConfig
from model.vocabulary import SPECIALS

DRAWS = 256
"""Random numbers that a text takes from its generator at a time."""
COLDEST = 1e-4
"""Below this temperature, the likeliest token: logits divided by less may be infinite."""


class Drawing(NamedTuple):
    """The drawing of a text's tokens, wherever it has got to."""

    generation: GenerationConfig
    generator: np.random.Generator
    ahead: Tensor  # (A,), random numbers that were taken from the generator and not used yet
    seen: Tensor  # (V,), tokens that the text has


class Sampler:
    """Rows of logits to tokens, for at most N texts. A row's token depends on nothing in the other rows.

    Special tokens are never chosen. Rules that no row has are not computed; they would change nothing.
    """

    def __init__(self, rows: int, vocabulary_size: int, device: torch.device) -> None:
        self.device = device
        self.active: dict[int, tuple[GenerationConfig, np.random.Generator, int]] = {}
        """The rules of each row in use, its generator, and the column of `uniform` with its first number."""
        self.column = 0
        self.temperature = torch.ones(rows, 1, device=device)  # (N, 1), as all that follow
        self.greedy = torch.zeros(rows, 1, dtype=torch.bool, device=device)
        self.top_k = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self.top_p = torch.ones(rows, 1, device=device)
        self.penalty = torch.ones(rows, 1, device=device)
        self.uniform = torch.zeros(rows, DRAWS, dtype=torch.double, device=device)  # (N, DRAWS)
        self.seen = torch.zeros(rows, vocabulary_size, dtype=torch.bool, device=device)  # (N, V)
        self._note_rules()

    def put(self, row: int, generation: GenerationConfig, prompt: Tensor, choice: int) -> None:
        """Gives a row to a text: `choice` says which of several from one seed; the penalty counts the prompt (T,)."""
        seed = None if generation.seed is None else [generation.seed % 2**64, choice]
        seen = torch.zeros_like(self.seen[row])
        seen[prompt.to(self.device)] = True
        self.restore(row, Drawing(generation, np.random.default_rng(seed), self.uniform[row, :0], seen))

    def restore(self, row: int, drawing: Drawing) -> None:
        """Gives a row to a text whose drawing was taken out of any row."""
        generation, generator, ahead, self.seen[row] = drawing
        self.uniform[row] = pad(ahead, (0, DRAWS - len(ahead))).roll(self.column)
        self.active[row] = generation, generator, (self.column + len(ahead)) % DRAWS
        self.greedy[row] = generation.temperature < COLDEST
        self.temperature[row] = max(generation.temperature, COLDEST)
        self.top_k[row] = generation.top_k
        self.top_p[row] = generation.top_p
        self.penalty[row] = generation.repetition_penalty
        self._note_rules()

    def take(self, row: int) -> Drawing:
        """Takes a row back, and returns all that `restore` needs."""
        generation, generator, first = self.active[row]
        ahead = self.uniform[row].roll(-self.column)[: (first - self.column) % DRAWS]  # (A,)
        self.remove(row)
        return Drawing(generation, generator, ahead, self.seen[row].clone())

    def remove(self, row: int) -> None:
        """Takes a row back, if a text has it."""
        if self.active.pop(row, None) is not None:
            self._note_rules()

    def _note_rules(self) -> None:
        """Notes which rules any row has; the others are not computed."""
        rules: Sequence[GenerationConfig] = [generation for generation, _, _ in self.active.values()]
        self.any_greedy = any(one.temperature < COLDEST for one in rules)
        self.any_repeats = any(one.repetition_penalty != 1 for one in rules)
        self.any_nucleus = any(one.top_p < 1 for one in rules)
        self.most = max((one.top_k for one in rules), default=0)

    def choose(self, logits: Tensor) -> Tensor:
        """The tokens after logits (N, V) of the first N rows, (N, 1)."""
        rows = len(logits)
        scores = logits[:, len(SPECIALS) :]  # (N, V - 4), of text only
        if self.any_repeats:
            penalty, seen = self.penalty[:rows], self.seen[:rows, len(SPECIALS) :]
            scores = torch.where(seen, torch.where(scores > 0, scores / penalty, scores * penalty), scores)
        likeliest = scores.argmax(1, keepdim=True) if self.any_greedy else None  # (N, 1)
        scores = scores / self.temperature[:rows]
        if self.most:
            scores = keep_top_k(scores, self.top_k[:rows], self.most)
        if self.any_nucleus:
            scores = keep_nucleus(scores, self.top_p[:rows])
        chosen = self._draw(scores)  # (N, 1)
        if likeliest is not None:
            chosen = torch.where(self.greedy[:rows], likeliest, chosen)
        chosen += len(SPECIALS)
        if self.any_repeats:
            self.seen.scatter_(1, chosen, True)
        return chosen

    def _draw(self, scores: Tensor) -> Tensor:
        """Tokens (N, 1) drawn by the scores (N, W), each with its own row's next random number."""
        for row, (_, generator, first) in self.active.items():
            if first == self.column:
                self.uniform[row] = torch.from_numpy(np.roll(generator.random(DRAWS, dtype=np.float32), first))
        uniform = self.uniform[: len(scores), self.column, None]  # (N, 1)
        self.column = (self.column + 1) % DRAWS
        return inverse_transform(scores, uniform)
