"""Prompts to texts: the worker of a language model."""

from app.serving.continuous import TextWorker
from app.serving.worker import Resources
from model.checkpoint import Checkpoint
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel


def load_worker(checkpoint: Checkpoint[LanguageModelConfig, LanguageModel], resources: Resources) -> TextWorker:
    """Loads a language model and warms it up.

    Raises:
        CheckpointError: a file was changed or cut; the message says which and how.
    """
    settings = resources.settings
    return TextWorker(
        checkpoint.name,
        resources.loader.load(checkpoint),
        resources.cores,
        resources.metrics,
        slots=settings.text_slots,
        queue=settings.text_queue,
    )
