"""Sentences to translations, in batches."""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from app.serving.batcher import Batcher
from app.serving.worker import Resources
from model.checkpoint import Checkpoint
from model.openvino.lanes import can_share
from model.tasks.translation import TRANSLATION
from model.tasks.translation.config import TranslationDecodingConfig, TranslatorConfig
from model.tasks.translation.translator import Translation, Translator

TranslatorCheckpoint = Checkpoint[TranslatorConfig, Translator]


@dataclass(eq=False)
class SentenceJob:
    """A sentence to translate, and how; its worker fills in the rest."""

    sentence: str
    decoding: TranslationDecodingConfig
    attention: bool = False
    pieces: Tensor = field(init=False)
    """(P,), ready for the network."""
    translations: list[Translation] = field(init=False)


class TranslatorWorker(Batcher[SentenceJob]):
    """The worker of a translator in evaluation mode."""

    def __init__(self, name: str, translator: Translator, resources: Resources) -> None:
        self.translator = translator
        settings = resources.settings
        self._stage = resources.metrics.stage_seconds.labels(TRANSLATION.name, "generate")
        super().__init__(
            TRANSLATION.name,
            name,
            "sentences",
            resources,
            size=settings.batch_size,
            pause=settings.batch_pause_ms / 1000,
            queue=settings.text_queue,
            deadline=settings.deadline_seconds,
        )

    def prepare(self, item: SentenceJob) -> SentenceJob:
        item.pieces = self.translator.encode(item.sentence)
        return item

    def kind(self, item: SentenceJob) -> Hashable:
        return item.decoding, item.attention

    def run(self, batch: Sequence[SentenceJob]) -> Sequence[SentenceJob]:
        first = batch[0]
        with self.cores.whole():
            began = time.perf_counter()
            sources = [job.pieces for job in batch]
            found = self.translator.generate(sources, first.decoding, attention=first.attention)
            self._stage.observe(time.perf_counter() - began)
        for job, translations in zip(batch, found, strict=True):
            job.translations = translations
        return batch

    def open_lanes(self) -> int:
        if self.cores.shares == 1 or not can_share(self.translator):
            return 1
        with self.cores.shared():
            _warm_up(self.translator)
        return self.cores.shares


def load_worker(checkpoint: TranslatorCheckpoint, resources: Resources) -> TranslatorWorker:
    """Loads a translator and warms it up.

    Raises:
        CheckpointError: a file was changed or cut; the message says which and how.
    """
    translator = resources.loader.load(checkpoint)
    _warm_up(translator)
    return TranslatorWorker(checkpoint.name, translator, resources)


def _warm_up(translator: Translator) -> None:
    translator.translate(["a dog"])
