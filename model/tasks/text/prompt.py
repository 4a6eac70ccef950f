"""A prompt on its way through a language model, and what the model thinks of its tokens."""

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from model.cells import State
from model.openvino.precision import autocast
from model.tasks.text.language import LanguageModel
from model.vocabulary import SPECIALS, pieces

CHUNK = 128
"""Tokens of a prompt that are read in one go."""
MAX_ALTERNATIVES = 20
"""Most of the likeliest tokens that can be told with each token."""


@dataclass(frozen=True, slots=True)
class Token:
    """A character or word, and what the model thought of it."""

    text: str
    logprob: float | None
    """Natural logarithm of the model's own probability; None for the first token of a prompt."""
    alternatives: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens in its place and their log-probabilities, as many as were asked for."""


class Prompt:
    """A prompt on its way through the network, alone, all but its last token, with which writing begins.

    Several texts that go on from one prompt share it until it has been read, and take copies of it then.
    """

    def __init__(self, prompt: str, model: LanguageModel, alternatives: int, *, logprobs: bool) -> None:
        self.given = prompt, alternatives, logprobs
        texts = pieces(prompt, model.config.unit)
        self.length = len(texts)
        self.ids = torch.tensor(model.vocabulary.encode(texts or ["\n"]))  # (T,)
        self.place = 0
        self.state: State | None = None
        self.alternatives = alternatives
        self.texts = texts if logprobs else None
        self.tokens: list[Token] = [Token(text, None) for text in texts[:1]] if logprobs else []

    def copy(self) -> "Prompt":
        """The same, to go on by itself."""
        other = copy(self)
        other.tokens = self.tokens.copy()
        return other

    @property
    def left(self) -> int:
        """Tokens before the last one."""
        return len(self.ids) - 1 - self.place

    def read(self, model: LanguageModel, dtype: torch.dtype) -> int:
        """Reads the next chunk, and returns its length."""
        chunk = self.ids[self.place : self.place + min(CHUNK, self.left)].to(model.device)  # (T,)
        fast = model.config.cell == "lstm" and dtype != torch.float32  # the others gain little, or lose digits
        with autocast(model.device, wanted=fast):
            hidden, self.state = model.recurrent(model.inputs(chunk[None]), self.state)  # (1, T, H)
        if self.texts is not None:
            after = slice(self.place + 1, self.place + 1 + len(chunk))
            logprobs = model.output(hidden[0].float()).log_softmax(1)  # (T, V)
            chosen = logprobs.gather(1, self.ids[after, None].to(model.device))[:, 0].tolist()
            others = likeliest(logprobs, model) if self.alternatives else [()] * len(chosen)
            for text, logprob, other in zip(self.texts[after], chosen, others, strict=True):
                self.tokens.append(Token(text, logprob, other[: self.alternatives]))
        self.place += len(chunk)
        return len(chunk)

    def step(self, logprobs: Tensor, alternatives: tuple[tuple[str, float], ...]) -> None:
        """Goes one token further, after a step of the batch: its log-probabilities (V,), and the likeliest."""
        self.place += 1
        if self.texts is not None:
            self.tokens.append(Token(self.texts[self.place], float(logprobs[self.ids[self.place]]), alternatives))


def likeliest(logprobs: Tensor, model: LanguageModel) -> list[tuple[tuple[str, float], ...]]:
    """The likeliest tokens of each row (N, V), always as many: what the search for k finds first may depend on k."""
    words = model.vocabulary.words
    text = logprobs[:, len(SPECIALS) :]
    values, places = text.topk(min(MAX_ALTERNATIVES, text.shape[1]))  # (N, A)
    return [
        tuple((words[len(SPECIALS) + place], value) for place, value in zip(row_places, row_values, strict=True))
        for row_places, row_values in zip(places.tolist(), values.tolist(), strict=True)
    ]
