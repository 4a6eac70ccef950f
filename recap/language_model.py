"""Text that goes on from a prompt."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, overload

from model.tasks.text import TEXT
from model.tasks.text.batch import TextBatch, generate
from model.tasks.text.config import GenerationConfig, LanguageModelConfig
from model.tasks.text.language import LanguageModel as Network
from model.tasks.text.prompt import Token
from model.tasks.text.stream import Delta, FinishReason, TextStream
from recap.loading import Model, configured

__all__ = ["LanguageModel", "Text"]

BATCH = 32
"""Texts that are written side by side."""


@dataclass(frozen=True)
class Text:
    """A text that a language model wrote."""

    prompt: str
    text: str
    """The part after the prompt."""
    tokens: tuple[Token, ...]
    """Characters, or words, each with the natural logarithm of its probability."""
    finish_reason: FinishReason
    """`stop`: a stop string came next; `length`: it has `max_tokens`."""

    def __str__(self) -> str:
        """The prompt and what comes after it."""
        return self.prompt + self.text


class LanguageModel(Model[LanguageModelConfig, Network]):
    """A language model, ready to use: `LanguageModel.load("shakespeare")("ROMEO:").text`.

    Calls take keyword arguments for how the text is drawn, those of `model.tasks.text.config.GenerationConfig` and of
    `recap generate`: `max_tokens`, `temperature`, `top_k`, `top_p`, `repetition_penalty`, `stop` and `seed`. What is
    left out is the checkpoint's own default.
    """

    task = TEXT

    @property
    def defaults(self) -> GenerationConfig:
        """The checkpoint's parameters, which hold where a call gives none."""
        return self.network.config.generation

    @overload
    def __call__(self, prompt: str, /, **generation: Any) -> Text: ...

    @overload
    def __call__(self, prompts: Iterable[str], /, **generation: Any) -> list[Text]: ...

    def __call__(self, given: str | Iterable[str], /, **generation: Any) -> Text | list[Text]:
        """A text that goes on from a prompt, or one for each of many prompts, in their order.

        Many are written side by side, in much less time than one after the other. With a `seed`, each is what it would
        be alone.

        Raises:
            ValueError, TypeError: a parameter is wrong; the message names it.
        """
        if isinstance(given, str):
            return self._write([given], generation)[0]
        return self._write(list(given), generation)

    def stream(self, prompt: str, **generation: Any) -> Iterator[str]:
        """The text after a prompt, piece by piece as it is written; raises what a call does."""
        config = configured(self.defaults, generation)
        return (delta.text for delta in generate(self.network, prompt, config) if delta.text)

    def _write(self, prompts: list[str], generation: dict[str, Any]) -> list[Text]:
        config = configured(self.defaults, generation)
        if not prompts:
            return []
        batch = TextBatch(self.network, capacity=min(len(prompts), BATCH))
        waiting = deque(prompts)
        written: dict[TextStream, list[Delta]] = {}
        while waiting or batch.free < batch.capacity:
            while waiting and batch.free:
                written[batch.join(waiting.popleft(), config)] = []
            for stream, delta in batch.step():
                written[stream].append(delta)
        texts = []
        for prompt, deltas in zip(prompts, written.values(), strict=True):
            tokens = tuple(token for delta in deltas for token in delta.tokens)
            text = "".join(delta.text for delta in deltas)
            texts.append(Text(prompt, text, tokens, deltas[-1].finish_reason or "length"))
        return texts
