"""Intents: what a sentence asks for."""

from model.task import Asset, Task
from model.tasks.intents.classifier import IntentClassifier
from model.tasks.intents.config import IntentConfig
from model.tasks.intents.intents import Intents
from model.vocabulary import Vocabulary

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
    build=IntentClassifier,
)
