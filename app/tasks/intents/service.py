"""Texts to their intents, in batches."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from app.characters import stray
from app.errors import Refusal
from app.serving.batcher import Batcher
from app.serving.worker import Resources
from model.checkpoint import Checkpoint
from model.tasks.intents import INTENTS
from model.tasks.intents.classifier import Answer, IntentClassifier, Sentence
from model.tasks.intents.config import IntentConfig
from model.tasks.intents.explanation import MAX_WORDS, WordEffect, explain
from model.vocabulary import tokenize

MAX_TEXTS = 128
"""Most texts of a request."""
MAX_CHARS = 1000
"""Most characters of a text."""
BATCH = 64
"""Most texts that run together."""
PAUSE = 0.001
"""Seconds that a batch waits for more: a text takes about as long."""


@dataclass
class IntentJob:
    """A text that `check` has passed, and what becomes of it."""

    text: str
    explained: bool = False
    """Whether the words' effects are asked for."""
    sentence: Sentence = field(init=False)
    answer: Answer = field(init=False)
    effects: list[WordEffect] | None = field(init=False, default=None)


def check(text: str, name: str = "text") -> str:
    """The text, if it can be classified.

    Raises:
        Refusal: it is empty or too long, or has a control character; the message calls it `name`.
    """

    def refused(message: str) -> Refusal:
        return Refusal("invalid_parameter", f"{name} {message}", "text")

    if len(text) > MAX_CHARS:
        raise refused(f"has {len(text):,} characters; at most {MAX_CHARS:,} are read, so send what is asked for alone")
    if not text.strip():
        raise refused("is empty; a sentence is needed, such as 'what time is it?'")
    if fault := stray(text):
        raise refused(fault)
    return text


def check_words(texts: Sequence[str]) -> None:
    """Raises a Refusal if texts have too many words together to be explained: the answer grows by their number."""
    words = sum(len(tokenize(text)) for text in texts)
    if words > MAX_WORDS:
        has = "the text has" if len(texts) == 1 else "the texts have"
        message = f"explain=true: {has} {words:,} words; at most {MAX_WORDS} are explained in a request"
        raise Refusal("invalid_parameter", message, "explain")


def prepared(model: IntentClassifier, job: IntentJob) -> IntentJob:
    """The job, ready for `finish`."""
    job.sentence = model.encode(job.text)
    return job


def finish(model: IntentClassifier, jobs: Sequence[IntentJob]) -> None:
    """Answers jobs, at least one, that are prepared."""
    for job, answer in zip(jobs, model.answers([job.sentence for job in jobs]), strict=True):
        job.answer = answer
        if job.explained:
            job.effects = explain(model, job.text)


class IntentWorker(Batcher[IntentJob]):
    """The worker of a classifier in evaluation mode."""

    def __init__(self, name: str, model: IntentClassifier, resources: Resources) -> None:
        self.model = model
        settings = resources.settings
        super().__init__(
            INTENTS.name,
            name,
            "texts",
            resources,
            size=BATCH,
            pause=PAUSE,
            queue=settings.text_queue,
            deadline=settings.deadline_seconds,
        )

    def prepare(self, item: IntentJob) -> IntentJob:
        return prepared(self.model, item)

    def kind(self, item: IntentJob) -> Hashable:
        """Texts of like length share a batch, which is padded to the longest; an explanation is a batch of its own."""
        return id(item) if item.explained else len(item.sentence.words).bit_length()

    def run(self, batch: Sequence[IntentJob]) -> Sequence[IntentJob]:
        with self.cores.whole():
            finish(self.model, batch)
        return batch


def load_worker(checkpoint: Checkpoint[IntentConfig, IntentClassifier], resources: Resources) -> IntentWorker:
    """Loads a classifier and warms it up."""
    model = resources.loader.load(checkpoint)
    for text in ("time", "what time is it"):
        model.answers([model.encode(text)])
    return IntentWorker(checkpoint.name, model, resources)
