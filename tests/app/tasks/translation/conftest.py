"""A server with two translators: one that has learnt five sentences, and one the other way round with fresh weights."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch

from app.main import create_app
from app.settings import Settings
from model.checkpoint import Checkpoint, save
from model.tasks.translation import TRANSLATION
from model.tasks.translation.languages import Languages
from model.tasks.translation.translator import Translator
from model.vocabulary import Vocabulary, tokenize
from tests.app.conftest import serving, wait_until_ready
from tests.conftest import GERMAN


@pytest.fixture(scope="session")
def translators(tiny_translator: Translator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tiny-en-de` and `tiny-de-en`. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("translators")
    save(folder / "a", TRANSLATION, tiny_translator, name="tiny-en-de", metrics={}, card="# tiny\n")
    decoding = tiny_translator.config.decoding.model_copy(update={"max_length": 8})
    turned = tiny_translator.config.model_copy(update={"source": "de", "target": "en", "decoding": decoding})
    evidence = [-value for value in tiny_translator.languages.evidence]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        other = Translator(
            turned,
            tiny_translator.subwords,
            Vocabulary.build(map(tokenize, GERMAN)),
            Languages(("de", "en"), evidence),
        )
    save(folder / "b", TRANSLATION, other, name="tiny-de-en", metrics={}, card="# tiny\n")
    return folder


@pytest.fixture(scope="session")
def served_translator(translators: Path) -> Translator:
    """The translator that is served: `tiny_translator`, rounded to the checkpoint's half precision."""
    return Checkpoint.open(translators / "a").expect(TRANSLATION).load()


@pytest.fixture(scope="session")
def translation_client(translators: Path) -> Iterator[httpx2.Client]:
    """A client of a server that is ready."""
    settings = Settings(checkpoints=translators, threads=1, defaults={"translation": "tiny-en-de"})
    with serving(create_app(settings)) as client:
        wait_until_ready(client)
        yield client
