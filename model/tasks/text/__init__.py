"""Text: character and word language models, and many texts written at once."""

from collections.abc import Mapping

from model.openvino.program import Program
from model.task import Asset, Task
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.networks import CompiledStepper, language_model_networks
from model.tasks.text.readable import ReadableCells
from model.vocabulary import Vocabulary


def build(
    config: LanguageModelConfig,
    vocabulary: Vocabulary,
    readable: ReadableCells | None = None,
    *,
    programs: Mapping[str, Program] | None = None,
) -> LanguageModel:
    """A language model with fresh weights, which writes by a compiled step, if any; see its class for errors."""
    stepper = CompiledStepper(programs["step"], config.hidden_size, len(vocabulary)) if programs else None
    return LanguageModel(config, vocabulary, readable, stepper)


TEXT = Task(
    name="text",
    pipeline="text-generation",
    noun="language model",
    config=LanguageModelConfig,
    assets=(
        Asset("vocabulary", "vocabulary.json", Vocabulary),
        Asset("readable", "cells.json", ReadableCells, optional=True),
    ),
    build=build,
    networks=language_model_networks,
)
