"""A small data set in CLINC150's layout, and a classifier that has learnt it."""

import json
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from model.tasks.intents.classifier import collate
from model.tasks.intents.config import IntentConfig
from model.tasks.intents.intents import Intents
from model.tasks.intents.network import RecurrentClassifier
from model.vocabulary import Vocabulary, tokenize
from tests.conftest import learn_once

CITIES = ("paris", "rome", "oslo", "lima", "cairo", "delhi", "berlin", "quito")
FORMS = {
    "time": ("what time is it in {}", "tell me the time in {}"),
    "weather": ("will it rain in {} today", "how warm is it in {}"),
    "book_flight": ("book a flight to {}", "i need a plane to {}"),
    "thank_you": ("thanks from {}", "many thanks to you and {}"),
}
OUTSIDE = ("who rules {}", "which river flows through {}", "how do i bake bread as in {}")
BACKGROUND = ("the species is found near {}", "a treaty was signed in {} that year")


def pairs(cities: tuple[str, ...]) -> list[tuple[str, str]]:
    """Queries about these cities with their intents."""
    return [(form.format(city), name) for name, forms in FORMS.items() for form in forms for city in cities]


def outside(cities: tuple[str, ...]) -> list[tuple[str, str]]:
    """Queries out of scope about these cities."""
    return [(form.format(city), "oos") for form in OUTSIDE for city in cities]


def write_queries(folder: Path) -> Path:
    """A folder with all files: six cities to train on, two for dev."""
    folder.mkdir(parents=True)
    train, dev = CITIES[:6], CITIES[6:]
    full = {"train": pairs(train), "val": pairs(dev), "oos_train": outside(train[:3]), "oos_val": outside(dev)}
    (folder / "data_full.json").write_text(json.dumps(full))
    (folder / "data_oos_plus.json").write_text(json.dumps({"oos_train": outside(train)}))
    (folder / "all_wiki_sents.txt").write_text("".join(f"{form.format(x)}\n" for form in BACKGROUND for x in CITIES))
    return folder


def tiny_classifier() -> RecurrentClassifier:
    """A real classifier, small, that has learnt the training queries; the same in every run."""
    learnt = [*pairs(CITIES[:6]), *outside(CITIES[:6])]
    sentences = [tokenize(text) for text, _ in learnt]
    titles = {name: f"Asking about {name}" for name in FORMS} | {"time": "Asking for the time"}
    config = IntentConfig(
        embedding_size=12,
        character_size=6,
        character_filters=8,
        hidden_size=16,
        attention_size=8,
        perceptron_size=16,
        threshold=0.6,
    )
    characters = Vocabulary.build([word for sentence in sentences for word in sentence])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RecurrentClassifier(config, Vocabulary.build(sentences), characters, Intents(titles))

    def learn() -> None:
        numbers = {name: number for number, name in enumerate(FORMS)}
        batch = collate([model.encode(text) for text, _ in learnt])
        targets = torch.tensor([numbers.get(name, len(numbers)) for _, name in learnt])
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(60):
            optimizer.zero_grad()
            cross_entropy(model(batch), targets, label_smoothing=0.05).backward()
            optimizer.step()

    model.eval()  # without dropout, it learns in a second
    learn_once(model, "tiny-intents", learn)
    return model.requires_grad_(False)
