"""Intents: what a sentence asks for."""

from collections.abc import Mapping

from model.openvino.program import Program
from model.task import Asset, Task
from model.tasks.intents.classifier import IntentClassifier
from model.tasks.intents.config import IntentConfig
from model.tasks.intents.intents import Intents
from model.tasks.intents.network import RecurrentClassifier
from model.tasks.intents.networks import CompiledClassifier, classifier_networks
from model.vocabulary import Vocabulary


def build(
    config: IntentConfig,
    vocabulary: Vocabulary,
    characters: Vocabulary,
    intents: Intents,
    *,
    programs: Mapping[str, Program] | None = None,
) -> IntentClassifier:
    """A classifier with fresh weights, or around its compiled network; ValueError for an unknown cell."""
    if programs:
        return CompiledClassifier(config, vocabulary, characters, intents, programs)
    return RecurrentClassifier(config, vocabulary, characters, intents)


INTENTS = Task(
    name="intents",
    pipeline="text-classification",
    noun="intent classifier",
    config=IntentConfig,
    assets=(
        Asset("vocabulary", "vocabulary.json", Vocabulary),
        Asset("characters", "characters.json", Vocabulary),
        Asset("intents", "intents.json", Intents),
    ),
    build=build,
    networks=classifier_networks,
)
