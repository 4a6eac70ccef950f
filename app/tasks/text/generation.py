"""Texts on the event loop's side: the requests of a caller, and what has been written of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from app.errors import Refusal
from model.tasks.text.config import GenerationConfig
from model.tasks.text.prompt import Token
from model.tasks.text.stream import Delta, FinishReason, TextStream


@dataclass(frozen=True)
class TextRequest:
    """A text to write; see `TextBatch.join`."""

    prompt: str
    generation: GenerationConfig
    choice: int = 0
    logprobs: int | None = None
    """Number of alternatives to report with each token; None reports text without tokens."""
    prompt_logprobs: bool = False


@dataclass
class Update:
    """The part of a text that was written since the last update."""

    stream: TextStream
    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    def extend(self, later: "Delta | Update", *, tokens: bool = True) -> None:
        """Appends what was written after it, with or without its tokens."""
        self.text += later.text
        if tokens:
            self.tokens += later.tokens
        self.finish_reason = later.finish_reason


class Generation:
    """The texts of a caller, so many of them.

    Iterating gives updates by the index of their request, until all texts have ended; it raises a `Refusal` if the
    model fails, or the server shuts down. Leaving the context calls `end`.
    """

    def __init__(self, texts: int, client: str, end: Callable[["Generation"], None]) -> None:
        self.client = client
        self.unfinished = texts
        self.begun = False
        """True once any of them has had a slot."""
        self._end = end
        self._updates: dict[int, Update] = {}
        self._changed = asyncio.Event()
        self._error: Refusal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[int, Update]:
        if not self._updates and not self.unfinished and not self._error:
            raise StopAsyncIteration
        await self._changed.wait()
        self._changed.clear()
        if self._error:
            raise self._error
        updates, self._updates = self._updates, {}
        return updates

    async def whole(self) -> dict[int, Update]:
        """Each text as a whole, by the index of its request; raises what iterating does."""
        updates: dict[int, Update] = {}
        async for news in self:
            for index, update in news.items():
                updates.setdefault(index, Update(update.stream)).extend(update)
        return updates

    def receive(self, index: int, update: Update) -> None:
        """Takes in news of a text; a slow caller finds all of them in one update."""
        self._updates.setdefault(index, Update(update.stream)).extend(update)
        if update.finish_reason:
            self.unfinished -= 1
        self._changed.set()

    def fail(self, error: Refusal) -> None:
        """Ends the iteration with an error."""
        self._error, self.unfinished = error, 0
        self._changed.set()
