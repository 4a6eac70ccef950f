"""Text out of a language model, many texts at once, each the same as if it were alone (continuous batching).

A text joins the batch at any step and leaves it at any step. What it says depends on the model, its prompt, its
parameters and its seed alone: products have the shape of whole blocks, or rows that are known not to depend on each
other (see `model.blocks`), everything else works row by row, and each text has its own random numbers.

Rules:

- A prompt is read to its end, however long, in chunks. An empty one is read as a line break.
- A character, or word, that the model has never seen is read as `<unk>`, which the model knows from rare ones; in the
  echo of a prompt it stands as it came. None of the special tokens is ever written.
- Log-probabilities are the model's own, before temperature, penalty and all else.
- A text ends before the first stop string that it has come to contain. What may be the beginning of one is held back
  until it is known to be none. The prompt is not searched.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from model.blocks import build_network
from model.cells import State
from model.config import GenerationConfig
from model.language import LanguageModel
from model.precision import autocast
from model.sampling import Sampler
from model.vocabulary import SPECIALS, pieces

CHUNK = 128
"""Tokens of a prompt that are read in one go."""
MAX_ALTERNATIVES = 20
"""Most of the likeliest tokens that can be told with each token."""

FinishReason = Literal["stop", "length"]


class BatchFullError(Exception):
    """All slots are taken."""


@dataclass(frozen=True, slots=True)
class Token:
    """A character or word, and what the model thought of it."""

    text: str
    logprob: float | None
    """Natural logarithm of the model's own probability; None for the first token of a prompt."""
    alternatives: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens in its place and their log-probabilities, as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a step adds to a text."""

    text: str
    """May be empty while a stop string may still come; never has any of a stop string."""
    tokens: tuple[Token, ...]
    """Whose text this is. Where a stop string begins inside a word, that word stands here whole."""
    finish_reason: FinishReason | None = None
    """Of the last one: `stop` before a stop string, `length` after the most tokens allowed."""


class TextStream:
    """A text in the making.

    Args:
        slot: its place in the batch.
        generation: its parameters.
        choice: which of several texts from one seed.
        alternatives: how many to tell with each token.
        reading: its prompt.
    """

    def __init__(
        self, slot: int, generation: GenerationConfig, choice: int, alternatives: int, reading: "_Reading"
    ) -> None:
        self.slot = slot
        self.generation = generation
        self.choice = choice
        self.alternatives = alternatives
        self.prompt_tokens = reading.length
        """How many."""
        self.prompt: tuple[Token, ...] = ()
        """Filled once the prompt has been read, where its log-probabilities were asked for."""
        self.written = 0
        """Tokens so far, also those held back."""
        self.reading: _Reading | None = reading
        self.held: list[Token] = []
        self.held_text = ""

    def write(self, token: Token) -> Delta:
        """One token further."""
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


class _Reading:
    """A prompt on its way through the network, alone, all but its last token, with which writing begins."""

    def __init__(self, prompt: str, model: LanguageModel, alternatives: int, *, logprobs: bool) -> None:
        texts = pieces(prompt, model.config.unit)
        self.length = len(texts)
        self.ids = torch.tensor(model.vocabulary.encode(texts or ["\n"]))  # (T,)
        self.place = 0
        self.state: State | None = None
        self.alternatives = alternatives
        self.texts = texts if logprobs else None
        self.tokens: list[Token] = [Token(text, None) for text in texts[:1]] if logprobs else []

    @property
    def done(self) -> bool:
        return self.place >= len(self.ids) - 1

    def read(self, model: LanguageModel, dtype: torch.dtype) -> int:
        """Reads the next chunk.

        Returns:
            Its length.
        """
        chunk = self.ids[self.place : min(self.place + CHUNK, len(self.ids) - 1)].to(model.device)  # (T,)
        fast = model.config.cell == "lstm" and dtype != torch.float32  # the others gain little, or lose digits
        with autocast(model.device, wanted=fast):
            hidden, self.state = model.recurrent(model.inputs(chunk[None]), self.state)  # (1, T, H)
        if self.texts is not None:
            after = slice(self.place + 1, self.place + 1 + len(chunk))
            logits = model.output(hidden[0].float())  # (T, V)
            ids = self.ids[after].to(model.device)  # (T,)
            self.tokens += _tokens(self.texts[after], ids, logits, self.alternatives, model)
        self.place += len(chunk)
        return len(chunk)


def _tokens(texts: list[str], ids: Tensor, logits: Tensor, alternatives: int, model: LanguageModel) -> list[Token]:
    """Tokens (T,) that came after logits (T, V)."""
    logprobs = logits.log_softmax(1)  # (T, V)
    chosen = logprobs.gather(1, ids[:, None])[:, 0].tolist()
    if not alternatives:
        return [Token(text, logprob) for text, logprob in zip(texts, chosen, strict=True)]
    likeliest = _likeliest(logprobs, model)
    return [
        Token(text, logprob, others[:alternatives])
        for text, logprob, others in zip(texts, chosen, likeliest, strict=True)
    ]


def _likeliest(logprobs: Tensor, model: LanguageModel) -> list[tuple[tuple[str, float], ...]]:
    """The likeliest tokens of each row (N, V), always as many: what the search for k finds first may depend on k."""
    words = model.vocabulary.words
    text = logprobs[:, len(SPECIALS) :]
    values, places = text.topk(min(MAX_ALTERNATIVES, text.shape[1]))  # (N, A)
    return [
        tuple((words[len(SPECIALS) + place], value) for place, value in zip(row_places, row_values, strict=True))
        for row_places, row_values in zip(places.tolist(), values.tolist(), strict=True)
    ]


class TextBatch:
    """Texts that are written side by side, a token of each at a step. One thread drives it.

    Args:
        model: in evaluation mode; its weights are copied, so later changes to them do not show.
        capacity: most texts at a time.
        dtype: of products with the weights, in torch; by default the fastest way that there is.

    Raises:
        ValueError: the model is in training mode, or its vocabulary has nothing to write.
    """

    @torch.inference_mode()
    def __init__(self, model: LanguageModel, *, capacity: int = 32, dtype: torch.dtype | None = None) -> None:
        if model.training:
            raise ValueError("the model is in training mode, where dropout changes what it says: call its eval() first")
        if len(model.vocabulary) <= len(SPECIALS):
            raise ValueError("the vocabulary has no tokens but the special ones: there is nothing to write")
        self.model = model
        self.capacity = capacity
        network = build_network(model, dtype)
        self.dtype = network.dtype
        self.width = network.width or capacity
        self.blocks = [network.block(capacity) for _ in range(-(-capacity // self.width))]
        rows = len(self.blocks) * self.width
        self.last = torch.zeros(rows, dtype=torch.long, device=model.device)  # (N,)
        self.sampler = Sampler(rows, len(model.vocabulary), model.device)
        self.streams: list[TextStream | None] = [None] * capacity
        self.waiting: deque[TextStream] = deque()

    @property
    def free(self) -> int:
        """Slots that are."""
        return self.streams.count(None)

    @torch.inference_mode()
    def join(
        self,
        prompt: str,
        generation: GenerationConfig,
        *,
        choice: int = 0,
        alternatives: int = 0,
        prompt_logprobs: bool = False,
    ) -> TextStream:
        """A new text, which begins with the next step.

        Args:
            prompt: what it goes on from.
            generation: its parameters.
            choice: which of several texts from one seed; each has random numbers of its own.
            alternatives: how many of the likeliest tokens to tell with each token.
            prompt_logprobs: whether to fill `TextStream.prompt`.

        Raises:
            BatchFullError: there is no free slot.
            ValueError: more alternatives than `MAX_ALTERNATIVES`.
        """
        if not 0 <= alternatives <= MAX_ALTERNATIVES:
            raise ValueError(f"alternatives={alternatives}: must be from 0 to {MAX_ALTERNATIVES}")
        if None not in self.streams:
            raise BatchFullError(f"all {self.capacity} slots are taken")
        slot = self.streams.index(None)  # the lowest, so that few texts need few blocks
        reading = _Reading(prompt, self.model, alternatives, logprobs=prompt_logprobs)
        stream = TextStream(slot, generation, choice, alternatives, reading)
        self.streams[slot] = stream
        self.waiting.append(stream)
        return stream

    def leave(self, stream: TextStream) -> None:
        """Frees a text's slot at once; does nothing if it has ended."""
        if self.streams[stream.slot] is stream:
            self.streams[stream.slot] = None
            self.sampler.remove(stream.slot)
            if stream.reading is not None:
                self.waiting.remove(stream)

    @torch.inference_mode()
    def step(self) -> list[tuple[TextStream, Delta]]:
        """A token of each text whose prompt has been read, after reading on in the other prompts."""
        results: list[tuple[TextStream, Delta]] = []
        for stream in self._read():
            results.append((stream, Delta("", (), "length")))
            self.leave(stream)
        writing = [stream for stream in self.streams if stream is not None and stream.reading is None]
        if not writing:
            return results
        for stream, token in zip(writing, self._tokens(writing), strict=True):
            delta = stream.write(token)
            results.append((stream, delta))
            if delta.finish_reason is not None:
                self.leave(stream)
        return results

    def _read(self) -> list[TextStream]:
        """Reads about a chunk of the waiting prompts, in turn, and starts those that have come to their end.

        Returns:
            Texts that end before they begin, as they may have no tokens.
        """
        budget, ended = CHUNK, []
        while self.waiting and budget > 0:
            stream = self.waiting[0]
            reading = stream.reading
            assert reading is not None
            if not reading.done:
                budget -= reading.read(self.model, self.dtype)
            if not reading.done:
                self.waiting.rotate(-1)
                continue
            self.waiting.popleft()
            stream.reading = None
            stream.prompt = tuple(reading.tokens)
            if stream.generation.max_tokens == 0:
                ended.append(stream)
                continue
            slot = stream.slot
            self.blocks[slot // self.width].put(slot % self.width, reading.state)
            self.last[slot] = reading.ids[-1]
            self.sampler.put(slot, stream.generation, reading.ids, stream.choice)
        return ended

    def _tokens(self, writing: list[TextStream]) -> list[Token]:
        """The next token of each text."""
        rows = writing[-1].slot + 1
        logits = torch.cat(
            [
                block.step(self.last[start : start + self.width], min(rows - start, self.width))
                for start, block in zip(range(0, rows, self.width), self.blocks, strict=False)
            ]
        )  # (N, V)
        logprobs = logits.log_softmax(1)  # (N, V)
        chosen = self.sampler.choose(logits)  # (N, 1)
        self.last[:rows] = chosen[:, 0]
        ids, values = chosen[:, 0].tolist(), logprobs.gather(1, chosen)[:, 0].tolist()
        words = self.model.vocabulary.words
        if not any(stream.alternatives for stream in writing):
            return [Token(words[ids[stream.slot]], values[stream.slot]) for stream in writing]
        others = _likeliest(logprobs, self.model)
        return [
            Token(words[ids[stream.slot]], values[stream.slot], others[stream.slot][: stream.alternatives])
            for stream in writing
        ]


def generate(
    model: LanguageModel,
    prompt: str,
    generation: GenerationConfig,
    *,
    choice: int = 0,
    alternatives: int = 0,
    dtype: torch.dtype | None = None,
) -> Iterator[Delta]:
    """One text, alone, a step at a time: see `TextBatch`."""
    batch = TextBatch(model, capacity=1, dtype=dtype)
    batch.join(prompt, generation, choice=choice, alternatives=alternatives)
    while batch.free == 0:
        for _, delta in batch.step():
            yield delta
