"""The language models that are shipped: small, whole, as good as the documents say, and able to write."""

from collections import defaultdict
from pathlib import Path

import pytest

from model.checkpoint import Checkpoint
from model.figures import figures_of
from model.tasks.text import TEXT
from model.tasks.text.batch import TextBatch, generate
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.stream import TextStream
from training.tasks import read_recipe
from training.tasks.text.recipe import RunningTextRecipe

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("shakespeare", "latex", "linux-c")
BITS = {"shakespeare": 2.11, "latex": 1.20, "linux-c": 1.45}  # 2.11 bits are 1.46 nats


def open_checkpoint(name: str) -> Checkpoint[LanguageModelConfig, LanguageModel]:
    checkpoint = Checkpoint.open(ROOT / "checkpoints" / name)
    assert checkpoint.task is TEXT
    return checkpoint


def test_language_models_are_small() -> None:
    files = [file for name in NAMES for file in (ROOT / "checkpoints" / name).iterdir()]
    assert sum(file.stat().st_size for file in files) <= 40_000_000


@pytest.mark.parametrize("name", NAMES)
def test_documents_have_the_figures(name: str) -> None:
    figures = {figure.name: figure.value for figure in figures_of(open_checkpoint(name).metrics)}
    assert figures["bits_per_character"] <= BITS[name]
    documents = {
        ROOT / "README.md": 3,
        ROOT / "docs" / "tasks" / "text.md": 3,
        ROOT / "checkpoints" / name / "README.md": 4,
    }
    for document, places in documents.items():
        text = document.read_text(encoding="utf-8")
        for unit in ("nats", "bits"):
            assert f"{figures[f'{unit}_per_character']:.{places}f}" in text, f"{document}: {unit}"


@pytest.mark.parametrize("name", NAMES)
def test_language_model_was_trained_with_the_published_recipe(name: str) -> None:
    recipe = read_recipe(ROOT / "configs" / "text" / f"{name}.toml")
    # The recorded recipe has keys of its time: `validation` for `dev`, and neither task nor objective.
    assert RunningTextRecipe.model_validate(open_checkpoint(name).metrics["recipe"]) == recipe


@pytest.mark.parametrize(
    ("name", "prompt", "likely"),
    [
        ("shakespeare", "ROMEO:", "\n"),
        ("shakespeare", "\nKING RICHARD I", "I"),
        ("latex", "\\begin{lemma}\nLet $X$ be a scheme.\n\\end{", "lemma}"),
        ("linux-c", "#include <linux/kernel", ".h>\n"),
        ("linux-c", "\tif (err)\n\t\tretu", "rn"),
    ],
)
def test_language_model_completes_phrases_of_its_text(name: str, prompt: str, likely: str) -> None:
    model = open_checkpoint(name).load()
    asked = model.config.generation.model_copy(update={"temperature": 0.0, "max_tokens": len(likely)})
    assert "".join(delta.text for delta in generate(model, prompt, asked)) == likely


def test_shakespeare_has_speakers_and_verse() -> None:
    model = open_checkpoint("shakespeare").load()
    batch = TextBatch(model, capacity=16)
    for seed in range(16):  # side by side they take the time of one
        batch.join("\n", model.config.generation.model_copy(update={"max_tokens": 160, "seed": seed}))
    texts: defaultdict[TextStream, str] = defaultdict(str)
    while batch.free < 16:
        for stream, delta in batch.step():
            texts[stream] += delta.text
    lines = [line for text in texts.values() for line in text.split("\n")]
    speakers = [line for line in lines if line.endswith(":") and line[:-1].replace(" ", "").isalpha()]
    verses = [line for line in lines if 30 <= len(line) <= 60]
    assert len(speakers) >= 5
    assert len(verses) >= 20
