"""A caller's texts, on the event loop's side: what is asked for, and what comes of it. Knows no HTTP."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from app.errors import Refusal
from model.tasks.text.config import GenerationConfig
from model.tasks.text.prompt import Token
from model.tasks.text.stream import FinishReason, TextStream


@dataclass(frozen=True)
class TextRequest:
    """A text that is asked for; see `TextBatch.join`."""

    prompt: str
    generation: GenerationConfig
    choice: int = 0
    logprobs: int | None = None
    """How many alternatives to tell with each token; None tells no tokens, only text."""
    prompt_logprobs: bool = False


@dataclass
class Update:
    """What has come of a text since the last one."""

    stream: TextStream
    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    def extend(self, text: str, tokens: Sequence[Token], finish_reason: FinishReason | None) -> None:
        """Takes in what came after it."""
        self.text += text
        self.tokens += tokens
        self.finish_reason = finish_reason


class Generation:
    """The texts of a caller.

    Iterating gives updates by the place of their request, until all texts have ended. Leaving its context sooner ends
    them.

    Args:
        texts: how many.
        end: ends those that are not finished.

    Raises:
        Refusal: when iterated, the model failed; the server is shutting down.
    """

    def __init__(self, texts: int, end: Callable[["Generation"], None]) -> None:
        self._end = end
        self._unfinished = texts
        self._updates: dict[int, Update] = {}
        self._changed = asyncio.Event()
        self._error: Refusal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._unfinished and self._error is None:
            self._end(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[int, Update]:
        if not self._updates and not self._unfinished:
            raise StopAsyncIteration
        await self._changed.wait()
        self._changed.clear()
        if self._error:
            raise self._error
        updates, self._updates = self._updates, {}
        return updates

    async def whole(self) -> dict[int, Update]:
        """All that comes of each text.

        Raises:
            Refusal: as when iterated.
        """
        updates: dict[int, Update] = {}
        async for news in self:
            for index, update in news.items():
                whole = updates.setdefault(index, Update(update.stream))
                whole.extend(update.text, update.tokens, update.finish_reason)
        return updates

    def receive(self, index: int, update: Update) -> None:
        """News of a text. A caller that is slow finds all there is in one update."""
        self._updates.setdefault(index, Update(update.stream)).extend(update.text, update.tokens, update.finish_reason)
        if update.finish_reason:
            self._unfinished -= 1
        self._changed.set()

    def fail(self, error: Refusal) -> None:
        """No more will come."""
        self._error = error
        self._changed.set()
