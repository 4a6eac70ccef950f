"""Text: character and word language models, and many texts written at once."""

from typing import TYPE_CHECKING

from model.task import Asset, Task
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.vocabulary import Vocabulary

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint
    from model.openvino.runtime import Runtime


def _compiled(checkpoint: "Checkpoint[LanguageModelConfig, LanguageModel]", runtime: "Runtime") -> LanguageModel:
    from model.openvino.networks import load_language_model

    return load_language_model(checkpoint, runtime)


TEXT = Task(
    name="text",
    pipeline="text-generation",
    noun="language model",
    config=LanguageModelConfig,
    assets=(Asset("vocabulary", "vocabulary.json", Vocabulary),),
    build=LanguageModel,
    compiled=_compiled,
)
