"""The intent classifier that comes with Recap: what it says, how it names it, and how large it is."""

import pytest

from model.checkpoint import Checkpoint
from model.figures import figures_of
from model.tasks.intents import INTENTS
from model.tasks.intents.classifier import IntentClassifier
from tests.conftest import ROOT
from training.tasks import read_recipe
from training.tasks.intents.recipe import ClassificationRecipe

PATH = ROOT / "checkpoints" / "clinc150"


@pytest.fixture(scope="module")
def model() -> IntentClassifier:
    return Checkpoint.open(PATH).expect(INTENTS).load()


@pytest.mark.parametrize("text", ["What time is it?", "whats the time", "time please"])
def test_time_is_asked_for(model: IntentClassifier, text: str) -> None:
    (answer,) = model.answers([model.encode(text)])
    assert answer.in_scope
    assert (answer.best.intent, answer.best.title) == ("time", "Asking for the time")


@pytest.mark.parametrize("text", ["who won the war of the roses", "现在几点了", "Который час?", "?!", "asdf qwer zxcv"])
def test_what_is_no_request_is_out_of_scope(model: IntentClassifier, text: str) -> None:
    (answer,) = model.answers([model.encode(text)])
    assert not answer.in_scope


def test_all_intents_have_titles(model: IntentClassifier) -> None:
    assert len(model.intents) == 150
    assert len(set(model.intents.titles)) == 150
    assert all(" " in title or title in ("Calculating", "Greeting") for title in model.intents.titles)


def test_checkpoint_is_small_and_says_how_good_it_is() -> None:
    assert sum(file.stat().st_size for file in PATH.iterdir()) < 5_000_000
    figures = {figure.name: figure.value for figure in figures_of(Checkpoint.open(PATH).metrics)}
    assert list(figures) == ["score", "accuracy", "recall", "auroc", "calibration_error"]
    for document in (ROOT / "README.md", ROOT / "docs" / "tasks" / "intents.md"):
        text = document.read_text(encoding="utf-8")
        for name in ("accuracy", "recall"):
            assert f"{100 * figures[name]:.1f} %" in text, f"{document}: {name}"


def test_checkpoint_was_trained_with_the_published_recipe() -> None:
    recipe = read_recipe(ROOT / "configs" / "intents" / "clinc150.toml")
    assert ClassificationRecipe.model_validate(Checkpoint.open(PATH).metrics["recipe"]) == recipe
