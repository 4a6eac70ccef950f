"""Continuous batching: a language model's thread drives one batch, which texts join and leave at any step.

Slots are shared out in turns. A slot goes to the client who has the fewest of them, and of its requests to the one that
has the fewest. While others wait who have fewer, a text whose turn is over gives its slot back, and goes on later.
"""

import asyncio
import logging
import math
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio.to_thread

from app.errors import Refusal, draining
from app.serving.worker import Resources, Worker
from app.tasks.text.generation import Generation, TextRequest, Update
from model.checkpoint import Checkpoint
from model.tasks.text import TEXT
from model.tasks.text.batch import TextBatch
from model.tasks.text.config import GenerationConfig, LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.states import StateReader
from model.tasks.text.stream import TextStream

SHORTEST_TURN, LONGEST_TURN = 0.005, 0.05
"""Bounds, in seconds, of a batch's turn while other threads wait for the cores: it takes as long as it has waited."""
NEWS = 0.02
"""Seconds between messages to the event loop, each with all tokens of that time."""
TURN = 0.5
"""Seconds, of some 1,000 tokens, for which a text keeps its slot while others wait who have fewer."""
JOIN_SECONDS = 1.0
"""Patience with the thread's last step when the server stops."""

READS = 16
"""Most texts that are read, or wait to be, for the states of cells; texts to write have a queue of their own."""

T = TypeVar("T")

logger = logging.getLogger(__name__)

_failed = partial(Refusal, "internal_error", "the model failed; the server's log says why")


@dataclass(eq=False)
class _Text:
    """One text, on the thread's side."""

    generation: Generation
    index: int
    request: TextRequest
    asked: float = field(default_factory=time.monotonic)
    stream: TextStream | None = None
    """None before it has begun."""
    since: float = 0.0
    """When its turn began, by `time.monotonic`."""
    update: Update | None = None
    """The part that the event loop does not know yet."""


class TextWorker(Worker):
    """A language model and the thread that drives its batch, from the first text on; it sleeps while there is none."""

    def __init__(self, name: str, model: LanguageModel, resources: Resources) -> None:
        metrics, settings = resources.metrics, resources.settings
        super().__init__("texts", settings.text_slots + settings.text_queue)
        self.name = name
        self.vocabulary = model.vocabulary
        self._model = model
        self._cores = resources.cores
        self._queue_seconds = metrics.queue_seconds.labels(TEXT.name)
        self._items = metrics.items.labels(TEXT.name, name)
        self._prompt_tokens = metrics.prompt_tokens.labels(name)
        self._tokens = metrics.text_tokens.labels(name)
        self._characters = metrics.text_characters.labels(name)
        self._slots = settings.text_slots
        self._share = settings.text_slots + math.ceil(settings.text_queue / 2)
        """Most texts that a client may have pending, unless it had none."""
        self._deadline = settings.deadline_seconds
        # The thread's own.
        self._batch: TextBatch | None = self._build()
        self._texts: dict[TextStream, _Text] = {}
        self._news: list[_Text] = []
        self._told = self._shared = 0.0
        self._reader = ThreadPoolExecutor(1, f"states of {name}")
        # The event loop's own.
        self._reads = 0
        self._callers: defaultdict[str, dict[Generation, asyncio.TimerHandle]] = defaultdict(dict)
        # Both sides', changed under the condition.
        self._changed = threading.Condition()
        self._waiting: dict[Generation, deque[_Text]] = {}
        """Texts without a slot, those first that have had one; none of the queues is empty."""
        self._ended: set[Generation] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def generate(self, requests: Sequence[TextRequest], client: str = "") -> Generation:
        """Takes on the texts of a caller, all or none; on the event loop.

        Raises:
            Refusal: too many texts wait already, or too many of this client; the server is shutting down. Iterating
                raises it if none of the texts has begun in time.
        """
        pending = sum(generation.unfinished for generation in self._callers.get(client, ()))
        reserve = self._share // 8 if len(requests) > 1 else 0  # several together leave room for single ones
        if pending and pending + len(requests) > self._share - reserve:
            message = f"this client has {pending:,} texts here already, and no more are taken; try again shortly"
            raise Refusal("queue_full", message, retry_after=1)
        generation = Generation(len(requests), client, self.end)
        with self._changed:
            self.enter(len(requests))
            self._waiting[generation] = deque(_Text(generation, index, text) for index, text in enumerate(requests))
            if self._thread is None:
                self._loop = asyncio.get_running_loop()
                self._thread = threading.Thread(target=self._run, name=f"text of {self.name}", daemon=True)
                self._thread.start()
            self._changed.notify()
        timer = asyncio.get_running_loop().call_later(self._deadline, self._give_up, generation)
        self._callers[client][generation] = timer
        return generation

    async def read_states(self, text: str, layer: int, answer: Callable[[StateReader, float, float], T]) -> T:
        """Reads a text on a thread, in turns with whatever else wants the cores; see `StateReader`.

        Args:
            answer: is called on that thread once the text has been read, with the seconds that it waited and was read.

        Raises:
            Refusal: too many texts are being read already; its time is up; the server is shutting down.
        """
        self.require_open()
        if self._reads >= READS:
            message = f"the states of {self._reads} texts are being read, and no more are taken; try again shortly"
            raise Refusal("queue_full", message, retry_after=1)
        asked, left = time.monotonic(), threading.Event()

        def read() -> T:
            began = time.monotonic()
            self._queue_seconds.observe(began - asked)
            reader = StateReader(self._model, text, layer)
            while reader.left:
                self.require_open()
                if left.is_set():
                    raise Refusal("deadline_exceeded", "nobody waits for it any more")
                with self._cores.whole():
                    reader.read()
            self._prompt_tokens.inc(len(reader.tokens))
            return answer(reader, began - asked, time.monotonic() - began)

        self._reads += 1
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.get_running_loop().run_in_executor(self._reader, read)
        except TimeoutError:
            message = f"the text was not read within {self._deadline:g} s, and is given up"
            raise Refusal("deadline_exceeded", message) from None
        finally:
            left.set()
            self._reads -= 1

    def _give_up(self, generation: Generation) -> None:
        """Ends a caller's wait, if none of its texts has begun."""
        with self._changed:
            if generation.begun:
                return
            self._forget_waiting({generation})
        message = f"it did not begin within {self._deadline:g} s, and is given up"
        generation.fail(Refusal("deadline_exceeded", message))

    def end(self, generation: Generation) -> None:
        """Frees a caller's slots, before the next step, and its places in the queue."""
        callers = self._callers[generation.client]
        callers.pop(generation).cancel()
        if not callers:
            del self._callers[generation.client]
        if generation.unfinished:
            with self._changed:
                self._forget_waiting({generation})
                self._ended.add(generation)
                self._changed.notify()

    async def close(self) -> None:
        """Ends all texts and, when its step is over, the thread."""
        with self._changed:
            self.closed = True
            self._changed.notify()
        self._reader.shutdown(wait=False)
        if self._thread:
            await anyio.to_thread.run_sync(self._thread.join, JOIN_SECONDS)

    def _build(self) -> TextBatch:
        """A batch that is warm."""
        batch = TextBatch(self._model, capacity=self._slots)
        batch.join("", GenerationConfig(max_tokens=2))
        while batch.free < self._slots:
            batch.step()
        return batch

    def _run(self) -> None:
        while self._wait():
            asked = time.monotonic()
            with self._cores.whole():
                began = time.monotonic()
                until = began + min(max(began - asked, SHORTEST_TURN), LONGEST_TURN)
                while self._step():
                    if self._cores.wanted and time.monotonic() >= until:
                        break
                self._tell()
        with self._changed:
            everyone = {*self._waiting, *(text.generation for text in self._texts.values())}
        self._fail(everyone, draining)

    def _wait(self) -> bool:
        """Sleeps until there is something to do; False when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._texts or self._waiting or self._ended or self.closed)
            return not self.closed

    def _step(self) -> bool:
        """A token of every text, after letting texts leave and join; False when there is none, or when closed."""
        try:
            with self._changed:
                ended, self._ended = self._ended, set()
            if ended:
                self._drop(ended)
            if self.closed or not (self._texts or self._waiting):
                return False
            if self._batch is None:
                self._batch = self._build()
            self._let_join(self._batch)
            if self.closed or not self._texts:
                return False
            finished = tokens = characters = 0
            for stream, delta in self._batch.step():
                tokens += stream.written > 0
                characters += len(delta.text)
                text = self._texts[stream]
                if text.update is None:
                    text.update = Update(stream)
                    self._news.append(text)
                text.update.extend(delta, tokens=text.request.logprobs is not None)
                if delta.finish_reason:
                    del self._texts[stream]
                    finished += 1
        except Exception:  # whatever it is, the texts that come after may fare better, in a batch of their own
            logger.exception("%s failed in the middle of %d texts", self.name, len(self._texts))
            stricken = {text.generation for text in self._texts.values()}
            if self._batch is None:
                with self._changed:
                    stricken |= self._waiting.keys()
            self._batch = None
            self._fail(stricken, _failed)
            return True
        self._tokens.inc(tokens)
        self._characters.inc(characters)
        if finished:
            self._items.inc(finished)
            self.leave(finished)
        if finished or time.monotonic() - self._told >= NEWS:
            self._tell()
        return True

    def _let_join(self, batch: TextBatch) -> None:
        """Shares out the slots that are free, and from time to time those of texts whose turn is over."""
        now = time.monotonic()
        if not self._waiting or not (batch.free or now >= self._shared + NEWS):
            return
        self._shared = now
        held = Counter[Generation | str]()  # slots, by request and by client
        for other in self._texts.values():
            held.update((other.generation, other.generation.client))
        while text := self._next(batch, held, now):
            held.update((text.generation, text.generation.client))
            text.since = now
            try:
                if text.stream:
                    batch.resume(text.stream)
                else:
                    text.stream = self._begin(batch, text)
            except Exception:
                logger.exception("%s could not begin a text", self.name)
                self.leave(1)
                self._fail({text.generation}, _failed)
            else:
                self._texts[text.stream] = text

    def _next(self, batch: TextBatch, held: Counter[Generation | str], now: float) -> _Text | None:
        """Takes the next text that may have a slot out of the queue, and another's slot from it if none is free."""

        def share(generation: Generation) -> tuple[int, int]:
            return held[generation.client], held[generation]

        with self._changed:
            if not self._waiting or self.closed:
                return None
            generation = min(self._waiting, key=share)
            if not batch.free:
                over = [text for text in self._texts.values() if now - text.since >= TURN]
                other = max(over, key=lambda text: (*share(text.generation), now - text.since), default=None)
                if other is None or not other.stream:
                    return None
                # Of two clients the slots of each count, of one client those of its requests.
                same = other.generation.client == generation.client
                if share(generation)[same] >= share(other.generation)[same]:
                    return None
                batch.pause(other.stream)
                del self._texts[other.stream]
                held.subtract((other.generation, other.generation.client))
                self._waiting.setdefault(other.generation, deque()).appendleft(other)
            queue = self._waiting[generation]
            text = queue.popleft()
            if not queue:
                del self._waiting[generation]
            generation.begun = True
            return text

    def _begin(self, batch: TextBatch, text: _Text) -> TextStream:
        request = text.request
        stream = batch.join(
            request.prompt,
            request.generation,
            choice=request.choice,
            alternatives=request.logprobs or 0,
            prompt_logprobs=request.prompt_logprobs,
        )
        self._queue_seconds.observe(time.monotonic() - text.asked)
        self._prompt_tokens.inc(stream.prompt_tokens)
        return stream

    def _tell(self) -> None:
        """Sends the news to the event loop, in one message."""
        self._told = time.monotonic()
        news = [(text.generation, text.index, text.update) for text in self._news if text.update]
        for text in self._news:
            text.update = None
        self._news = []

        def deliver() -> None:
            for generation, index, update in news:
                generation.receive(index, update)

        if news:
            self._on_loop(deliver)

    def _fail(self, generations: Collection[Generation], error: Callable[[], Refusal]) -> None:
        """Ends all texts of these callers, in the batch and in the queue, with an error."""
        self._drop(generations)
        with self._changed:
            self._forget_waiting(generations)
        self._tell()

        def fail() -> None:
            for generation in generations:
                generation.fail(error())

        self._on_loop(fail)

    def _drop(self, generations: Collection[Generation]) -> None:
        """Takes all texts of these callers out of the batch."""
        left = [stream for stream, text in self._texts.items() if text.generation in generations]
        for stream in left:
            if self._batch:
                self._batch.leave(stream)
            del self._texts[stream]
        self.leave(len(left))

    def _forget_waiting(self, generations: Collection[Generation]) -> None:
        for generation in generations:
            self.leave(len(self._waiting.pop(generation, ())))

    def _on_loop(self, function: Callable[[], None]) -> None:
        assert self._loop
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function)


def load_worker(checkpoint: Checkpoint[LanguageModelConfig, LanguageModel], resources: Resources) -> TextWorker:
    """Loads a language model and warms it up.

    Raises:
        CheckpointError: a file was changed or cut; the message says which and how.
    """
    return TextWorker(checkpoint.name, resources.loader.load(checkpoint), resources)
