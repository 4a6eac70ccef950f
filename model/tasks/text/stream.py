"""A text in the making, and the deltas that steps add to it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from model.cells import State
from model.tasks.text.config import GenerationConfig
from model.tasks.text.prompt import Prompt, Token
from model.tasks.text.sampler import Drawing

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Delta:
    """The text that a step adds."""

    text: str
    """May be empty while a stop string may still come; never has any of a stop string."""
    tokens: tuple[Token, ...]
    """The tokens of `text`. A word inside which a stop string begins is here as a whole."""
    finish_reason: FinishReason | None = None
    """Set in the last delta: `stop` before a stop string, `length` after the most tokens allowed."""


class Kept(NamedTuple):
    """The place in the batch that a paused text goes on from, if it had taken part in steps."""

    state: State
    last: Tensor  # (), the token that its next step begins with
    drawing: Drawing | None  # None while it still goes through its prompt


class TextStream:
    """A text in the making, in a slot of the batch. Its arguments are those of `TextBatch.join`."""

    def __init__(
        self, slot: int, generation: GenerationConfig, choice: int, alternatives: int, reading: Prompt
    ) -> None:
        self.slot, self.generation, self.choice, self.alternatives = slot, generation, choice, alternatives
        self.prompt_tokens = reading.length  # number of tokens in the prompt
        self.prompt: tuple[Token, ...] = ()
        """Filled once the prompt has been read, where its log-probabilities were asked for."""
        self.written = 0  # tokens so far, also those held back
        self.reading: Prompt | None = reading  # None once writing has begun
        self.placed = False  # whether it takes part in the steps
        self.kept: Kept | None = None  # while it is paused
        self.held: list[Token] = []
        self.held_text = ""

    def add(self, token: Token) -> Delta:
        """Adds a token, and returns the text that has become certain."""
        self.written += 1
        over: FinishReason | None = "length" if self.written >= self.generation.max_tokens else None
        if not self.generation.stop:
            return Delta(token.text, (token,), over)
        self.held.append(token)
        self.held_text += token.text
        found = [place for stop in self.generation.stop if (place := self.held_text.find(stop)) >= 0]
        if found:
            return self._release(min(found), "stop")
        return self._release(len(self.held_text) if over else self._safe(), over)

    def _safe(self) -> int:
        """Where the longest end of the text begins that may yet become a stop string."""
        for start in range(len(self.held_text)):
            if any(stop.startswith(self.held_text[start:]) for stop in self.generation.stop):
                return start
        return len(self.held_text)

    def _release(self, end: int, over: FinishReason | None) -> Delta:
        """Held tokens up to a place in their text: whole ones, unless a stop string cuts the last."""
        count, length = 0, 0
        while count < len(self.held):
            after = length + len(self.held[count].text)
            if after > end and (over != "stop" or length >= end):
                break
            count, length = count + 1, after
        text = self.held_text[: min(length, end)]
        tokens, self.held, self.held_text = tuple(self.held[:count]), self.held[count:], self.held_text[length:]
        return Delta(text, tokens, over)
