"""Continuous batching: many texts out of a language model at once, each the same as if it were alone.

A text joins the batch at any step, pauses and leaves at any step. What it says depends on the model, its prompt, its
parameters and its seed alone: products have the shape of whole blocks, or rows that are known not to depend on each
other (see `model.tasks.text.step`), everything else works row by row, and each text has its own random numbers.

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

import torch

from model.tasks.text.config import GenerationConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.prompt import CHUNK, MAX_ALTERNATIVES, Prompt, Token, likeliest
from model.tasks.text.sampler import Sampler
from model.tasks.text.step import build_stepper
from model.tasks.text.stream import Delta, Kept, TextStream
from model.vocabulary import SPECIALS


class BatchFullError(Exception):
    """All slots are taken."""


class TextBatch:
    """Texts that are written side by side, a token of each at a step, `capacity` of them at most. One thread drives it.

    The model's weights are copied, so later changes to them do not show. If a dtype is given, products with them are in
    torch and of that format; else they are done in the fastest way that there is.

    Raises:
        ValueError: the model is in training mode, or its vocabulary has nothing to write.
    """

    @torch.inference_mode()
    def __init__(self, model: LanguageModel, *, capacity: int = 32, dtype: torch.dtype | None = None) -> None:
        if model.training:
            raise ValueError("the model is in training mode, where dropout changes what it says: call its eval() first")
        if len(model.vocabulary) <= len(SPECIALS):
            raise ValueError("the vocabulary has no tokens but the special ones: there is nothing to write")
        self.model, self.capacity = model, capacity
        stepper = build_stepper(model, dtype)
        self.dtype, self.short = stepper.dtype, stepper.short
        self.width = stepper.width or capacity
        self.blocks = [stepper.block(capacity) for _ in range(-(-capacity // self.width))]
        rows = len(self.blocks) * self.width
        self.last = torch.zeros(rows, dtype=torch.long, device=model.device)  # (N,)
        self.sampler = Sampler(rows, len(model.vocabulary), model.device)
        self.streams: list[TextStream | None] = [None] * capacity
        self.waiting: deque[TextStream] = deque()

    @property
    def free(self) -> int:
        """Number of free slots."""
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
            choice: which of several texts from one seed; each has random numbers of its own.
            alternatives: how many of the likeliest tokens to tell with each token.
            prompt_logprobs: whether to fill `TextStream.prompt`.

        Raises:
            BatchFullError: there is no free slot.
            ValueError: more alternatives than `MAX_ALTERNATIVES`.
        """
        if not 0 <= alternatives <= MAX_ALTERNATIVES:
            raise ValueError(f"alternatives={alternatives}: must be from 0 to {MAX_ALTERNATIVES}")
        slot = self._free_slot()
        reading = self._shared(prompt, generation, alternatives, prompt_logprobs)
        reading = reading or Prompt(prompt, self.model, alternatives, logprobs=prompt_logprobs)
        stream = TextStream(slot, generation, choice, alternatives, reading)
        self.streams[slot] = stream
        self.waiting.append(stream)
        return stream

    def _shared(self, prompt: str, generation: GenerationConfig, alternatives: int, logprobs: bool) -> Prompt | None:
        """The prompt of a waiting text, if it is the same and read to the same place: several choices read it once."""
        for other in self.waiting:
            same_end = (other.generation.max_tokens == 0) == (generation.max_tokens == 0)
            if same_end and other.reading and other.reading.given == (prompt, alternatives, logprobs):
                return other.reading
        return None

    def leave(self, stream: TextStream) -> None:
        """Frees a text's slot at once; does nothing if it has ended."""
        if self.streams[stream.slot] is stream:
            self.streams[stream.slot] = None
            self.sampler.remove(stream.slot)
            if not stream.placed:
                self.waiting.remove(stream)

    @torch.inference_mode()
    def pause(self, stream: TextStream) -> None:
        """Frees the slot of a text that has not ended; `resume` has it go on exactly where it was."""
        slot, self.streams[stream.slot] = stream.slot, None
        if not stream.placed:
            self.waiting.remove(stream)
            return
        state = self.blocks[slot // self.width].take(slot % self.width)
        stream.kept = Kept(state, self.last[slot].clone(), None if stream.reading else self.sampler.take(slot))

    @torch.inference_mode()
    def resume(self, stream: TextStream) -> None:
        """Gives a paused text a slot; raises BatchFullError if there is none."""
        slot = stream.slot = self._free_slot()
        self.streams[slot] = stream
        if stream.kept is None:
            self.waiting.append(stream)
            return
        self.blocks[slot // self.width].put(slot % self.width, stream.kept.state)
        self.last[slot] = stream.kept.last
        if stream.kept.drawing:
            self.sampler.restore(slot, stream.kept.drawing)
        stream.kept = None

    def _free_slot(self) -> int:
        if None not in self.streams:
            raise BatchFullError(f"all {self.capacity} slots are taken")
        return self.streams.index(None)  # the lowest, so that few texts need few blocks

    @torch.inference_mode()
    def step(self) -> list[tuple[TextStream, Delta]]:
        """A token of each text whose prompt has been read, after reading on in the other prompts."""
        results: list[tuple[TextStream, Delta]] = []
        for stream in self._read():
            results.append((stream, Delta("", (), "length")))
            self.leave(stream)
        placed = [stream for stream in self.streams if stream is not None and stream.placed]
        if not placed:
            return results
        for stream, token in self._tokens(placed):
            delta = stream.add(token)
            results.append((stream, delta))
            if delta.finish_reason is not None:
                self.leave(stream)
        return results

    def _read(self) -> list[TextStream]:
        """Reads about a chunk of the waiting prompts, in turn, and places those that are near their end.

        Returns:
            Texts that end before they begin, as they may have no tokens.
        """
        budget, ended = CHUNK, []
        while self.waiting and budget > 0:
            stream = self.waiting[0]
            reading = stream.reading
            assert reading is not None
            short = self.short if stream.generation.max_tokens else 0
            if reading.left > short:
                budget -= reading.read(self.model, self.dtype)
            if reading.left > short:
                self.waiting.rotate(-1)
                continue
            self.waiting.popleft()
            stream.placed = True
            self.blocks[stream.slot // self.width].put(stream.slot % self.width, reading.state)
            stream.reading = reading = reading.copy()
            self._go_on(stream, reading)
            if stream.generation.max_tokens == 0:
                ended.append(stream)
        return ended

    def _go_on(self, stream: TextStream, reading: Prompt) -> None:
        """Sets the token that a placed text's next step begins with. After its prompt's last token, the text writes."""
        self.last[stream.slot] = reading.ids[reading.place]
        if not reading.left:
            stream.reading = None
            stream.prompt = tuple(reading.tokens)
            self.sampler.put(stream.slot, stream.generation, reading.ids, stream.choice)

    def _tokens(self, placed: list[TextStream]) -> list[tuple[TextStream, Token]]:
        """A step of all: the next token of each text that is being written."""
        rows = placed[-1].slot + 1
        width, blocks = self.width, zip(range(0, rows, self.width), self.blocks, strict=False)
        parts = [block.step(self.last[start : start + width], min(rows - start, width)) for start, block in blocks]
        logits = torch.cat(parts)  # (N, V)
        logprobs = logits.log_softmax(1)  # (N, V)
        chosen = self.sampler.choose(logits)  # (N, 1)
        self.last[:rows] = chosen[:, 0]
        ids, values = chosen[:, 0].tolist(), logprobs.gather(1, chosen)[:, 0].tolist()
        words = self.model.vocabulary.words
        others = likeliest(logprobs, self.model) if any(stream.alternatives for stream in placed) else None
        written = []
        for stream in placed:
            slot = stream.slot
            alternatives = others[slot][: stream.alternatives] if others else ()
            if stream.reading:
                stream.reading.step(logprobs[slot], alternatives)
                self._go_on(stream, stream.reading)
            else:
                written.append((stream, Token(words[ids[slot]], values[slot], alternatives)))
        return written


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
