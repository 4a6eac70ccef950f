"""A data set of drawn pictures in Flickr8k's own layout, and a recipe that learns it in seconds."""

import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from model.checkpoint import save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, DecoderConfig
from model.tasks.captioning.tagger import Tags
from model.vision.config import EncoderConfig, PreprocessingConfig
from tests.conftest import draw, made_once
from tests.forks import begin
from tests.intent_queries import write_queries
from tests.price_series import write_prices
from tests.recordings import write_recordings
from training.cli import main
from training.recipe import Recipe
from training.tasks import TASKS, read_recipe
from training.tasks.captioning.nouns import Nouns
from training.trainer import Trainer

Finished = Callable[[Path], Recipe]
RecipeOf = Callable[[str], Path]

COLOURS = ("red", "green", "blue", "black")
THINGS = ("dog", "boy", "girl", "man", "car")


def write_pictures(root: Path) -> None:
    """24 training and 8 dev pictures with 5 captions each."""
    (root / "Flicker8k_Dataset").mkdir(parents=True)
    chance = random.Random(0)
    tokens, names = [], []
    for number in range(32):
        name = f"{number}_picture.jpg"
        names.append(name)
        draw(number).save(root / "Flicker8k_Dataset" / name)
        for place in range(5):
            words = [f"A {chance.choice(COLOURS)} {chance.choice(THINGS)}"] + ["on the left side"] * (place == 3)
            tokens.append(f"{name}#{place}\t{' '.join(words)} runs {'very ' * place}fast .")
    (root / "Flickr8k.token.txt").write_text("\n".join(tokens) + "\n")
    (root / "Flickr_8k.trainImages.txt").write_text("\n".join(names[:24]) + "\n")
    (root / "Flickr_8k.devImages.txt").write_text("\n".join(names[24:]) + "\n")


@pytest.fixture(scope="session")
def tiny_data() -> Path:
    """The data set of `write_pictures`. Shared by the whole run, as all data here: do not change it."""
    return made_once("data/flickr8k", write_pictures)


@pytest.fixture(scope="session")
def start(tiny_captioner: Captioner) -> Path:
    """`tiny_captioner` as the checkpoint that recipes go on from."""

    def make(folder: Path) -> None:
        save(folder, CAPTIONING, tiny_captioner, name="start", metrics={}, card="# start\n")

    return made_once("start", make)


@pytest.fixture(autouse=True)
def fresh_accelerator() -> None:
    """Accelerate holds a process to the precision that was first asked for."""
    AcceleratorState._reset_state()


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.fixture
def tiny_recipe(tiny_data: Path, tmp_path: Path) -> Path:
    """A recipe for `tiny_data`: 2 epochs of 8 steps."""
    path = tmp_path / "tiny.toml"
    path.write_text(f"""
task = "captioning"
objective = "cross-entropy"
name = "tiny"
output = "{tmp_path / "checkpoint"}"
run = "{tmp_path / "run"}"
[data]
path = "{tiny_data}"
min_count = 1
[encoder]
name = "tf_efficientnet_lite0"
preprocessing.size = 64
[features]
weights = "package"
cache = "{tmp_path / "features"}"
views = 3
[decoder]
embedding_size = 8
hidden_size = 12
attention_size = 4
[training]
epochs = 2
batch_size = 16
warmup_steps = 2
attention_penalty = 0.1
save_every = 3
precision = "bf16"
""")
    return path


@pytest.fixture
def selfcritical_recipe(tiny_data: Path, start: Path, tmp_path: Path) -> Path:
    """A recipe that goes on from `start`, whose words are not all of `tiny_data`'s: 2 epochs of 4 steps."""
    path = tmp_path / "tiny-rl.toml"
    path.write_text(f"""
task = "captioning"
objective = "self-critical"
name = "tiny-rl"
start = "{start}"
output = "{tmp_path / "rl" / "checkpoint"}"
run = "{tmp_path / "rl" / "run"}"
[data]
path = "{tiny_data}"
[features]
cache = "{tmp_path / "features"}"
views = 2
[decoding]
max_length = 12
[training]
epochs = 2
batch_size = 7
warmup_steps = 0
learning_rate = 2e-3
dropout = 0.1
save_every = 3
""")
    return path


@pytest.fixture
def tuning_recipe(tiny_data: Path, start: Path, tmp_path: Path) -> Path:
    """A recipe that goes on from `start` with its encoder: 2 epochs of 4 steps."""
    path = tmp_path / "tiny-tuned.toml"
    path.write_text(f"""
task = "captioning"
objective = "tuning"
name = "tiny-tuned"
start = "{start}"
output = "{tmp_path / "tuned" / "checkpoint"}"
run = "{tmp_path / "tuned" / "run"}"
[data]
path = "{tiny_data}"
[training]
first = "blocks.5"
epochs = 2
batch_size = 7
warmup_steps = 0
learning_rate = 2e-3
encoder_learning_rate = 1e-3
dropout = 0.1
attention_penalty = 0.1
save_every = 3
""")
    return path


@pytest.fixture
def tagging_recipe(tiny_data: Path, start: Path, tmp_path: Path) -> Path:
    """A recipe that gives `start` a tagger: 2 epochs."""
    path = tmp_path / "tiny-tags.toml"
    path.write_text(f"""
task = "captioning"
objective = "tagging"
name = "tiny-tags"
start = "{start}"
output = "{tmp_path / "tags" / "checkpoint"}"
run = "{tmp_path / "tags" / "run"}"
classifier = "none"
[data]
path = "{tiny_data}"
min_count = 1
[features]
cache = "{tmp_path / "tag-features"}"
[training]
epochs = 2
batch_size = 7
warmup_steps = 0
learning_rate = 2e-3
save_every = 3
""")
    return path


@pytest.fixture(scope="session")
def tagged_checkpoint(tiny_captioner: Captioner) -> Path:
    """`tiny_captioner` with a tagger of fresh weights, whose head has learnt the things of `tiny_data`."""

    def make(folder: Path) -> None:
        nouns = Nouns.read()
        learnt = [nouns.numbers[thing] for thing in THINGS]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            tags = Tags(list(nouns.numbers), nouns.broader, learnt=learnt)
            captioner = Captioner(tiny_captioner.config, tiny_captioner.vocabulary, tags=tags)
        captioner.load_state_dict(tiny_captioner.state_dict(), strict=False)
        save(folder, CAPTIONING, captioner, name="tagged", metrics={}, card="# tagged\n")

    return made_once("tagged", make)


def write_sentences(folder: Path) -> None:
    """Eight more pictures, sentences without any, and vectors of five words."""
    (folder / "more" / "images").mkdir(parents=True)
    rows = ["image,caption"]
    for number in range(8):
        draw(number).save(folder / "more" / "images" / f"{number}.jpg")
        rows.append(f"{number}.jpg,A zebra {THINGS[number % 5]} runs fast .")
    (folder / "more" / "captions.csv").write_text("\n".join(rows) + "\n")
    sentences = [f"a {colour} zebra and a {thing}" for colour in COLOURS for thing in THINGS]
    (folder / "sentences.txt").write_text("\n".join([*sentences, "hi"]) + "\n")
    (folder / "words.txt").write_text("\n".join(("a", "zebra", "dog", "runs", "fast")) + "\n")
    np.save(folder / "vectors.npy", np.eye(5, dtype=np.float16))


@pytest.fixture
def mixture_recipe(tiny_data: Path, tagged_checkpoint: Path, tmp_path: Path) -> Path:
    """A recipe that makes `tagged_checkpoint` read its tags: 2 epochs of 10 steps, 2 of them on sentences alone."""
    data = made_once("data/sentences", write_sentences)
    path = tmp_path / "tiny-reader.toml"
    path.write_text(f"""
task = "captioning"
objective = "mixture"
name = "tiny-reader"
start = "{tagged_checkpoint}"
output = "{tmp_path / "reader" / "checkpoint"}"
run = "{tmp_path / "reader" / "run"}"
more = ["{data / "more"}"]
sentences = ["{data / "sentences.txt"}"]
vectors = "{data}"
min_count = 1
[data]
path = "{tiny_data}"
[features]
cache = "{tmp_path / "reader-features"}"
views = 2
[decoder]
tags = 4
embedding_size = 20
[training]
epochs = 2
batch_size = 16
sentences = 32
warmup_steps = 0
learning_rate = 5e-3
save_every = 3
""")
    return path


@pytest.fixture
def other_captioner(tiny_captioner: Captioner) -> Captioner:
    """With the words of `tiny_captioner`, and another decoder, size and (fresh) weights."""
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tf_efficientnet_lite0", preprocessing=PreprocessingConfig(size=96)),
        decoder=DecoderConfig(kind="soft-attention", cell="gru", embedding_size=8, hidden_size=12, attention_size=4),
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Captioner(config, tiny_captioner.vocabulary).eval()


WORDS = ("to", "be", "or", "not", "that", "is", "the", "question")


def write_text(folder: Path) -> None:
    """12,000 characters of eight words in random order."""
    folder.mkdir(parents=True)
    chosen = torch.randint(len(WORDS), (2600,), generator=torch.Generator().manual_seed(0)).tolist()
    (folder / "input.txt").write_text(" ".join(WORDS[number] for number in chosen) + "\n☃☃")


@pytest.fixture(scope="session")
def text() -> Path:
    """The file of `write_text`."""
    return made_once("data/text", write_text) / "input.txt"


@pytest.fixture
def text_recipe(text: Path, tmp_path: Path) -> Path:
    """A recipe for `text`: 2 epochs of 20 steps."""
    path = tmp_path / "tiny-text.toml"
    path.write_text(f"""
task = "text"
objective = "running-text"
name = "tiny"
output = "{tmp_path / "text" / "checkpoint"}"
run = "{tmp_path / "text" / "run"}"
[data]
path = "{text}"
dev = 0.2
test = 0.1
[model]
hidden_size = 24
num_layers = 2
dropout = 0.2
[training]
epochs = 2
batch_size = 12
k1 = 32
k2 = 32
warmup_steps = 2
learning_rate = 0.02
ema_decay = 0.9
save_every = 7
sample_tokens = 20
""")
    return path


SIDES = {
    "en": ("red", "dog", "runs", "green", "cat", "sleeps"),
    "de": ("rot", "Hund", "rennt", "gr\u00fcn", "Katze", "schl\u00e4ft"),
}


def write_pairs(folder: Path) -> None:
    """60 training pairs of two to six words in random order, with numbers."""
    folder.mkdir(parents=True)
    chance = random.Random(0)
    for split, number in (("train", 60), ("dev", 12), ("test", 8)):
        rows = [[chance.randrange(6) for _ in range(chance.randint(2, 6))] for _ in range(number)]
        for language, words in SIDES.items():
            lines = [" ".join([f"{place}", *(words[word] for word in row)]) for place, row in enumerate(rows)]
            (folder / f"{split}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def translation_recipe(tmp_path: Path) -> Path:
    """A recipe for the pairs of `write_pairs`: 2 epochs of 9 steps."""
    path = tmp_path / "tiny-translation.toml"
    path.write_text(f"""
task = "translation"
objective = "parallel-text"
name = "tiny"
output = "{tmp_path / "translation" / "checkpoint"}"
run = "{tmp_path / "translation" / "run"}"
[data]
path = "{made_once("data/pairs", write_pairs)}"
[subwords]
size = 310
[model]
embedding_size = 12
encoder_size = 8
hidden_size = 16
attention_size = 8
dropout = 0.1
decoding = {{ max_length = 12, beam_size = 2 }}
[training]
epochs = 2
batch_size = 7
warmup_steps = 2
learning_rate = 0.01
ema_decay = 0.9
save_every = 4
""")
    return path


@pytest.fixture(scope="session")
def queries() -> Path:
    """The folder of `write_queries`."""
    return made_once("data/queries", write_queries)


@pytest.fixture
def intents_recipe(queries: Path, tmp_path: Path) -> Path:
    """A recipe for `queries`: 2 epochs of 10 steps."""
    path = tmp_path / "tiny-intents.toml"
    path.write_text(f"""
task = "intents"
objective = "classification"
name = "tiny"
output = "{tmp_path / "intents" / "checkpoint"}"
run = "{tmp_path / "intents" / "run"}"
[data]
path = "{queries}"
[model]
embedding_size = 12
character_size = 6
character_filters = 8
hidden_size = 16
attention_size = 8
perceptron_size = 16
dropout = 0.1
[training]
epochs = 2
batch_size = 7
background = 4
warmup_steps = 2
learning_rate = 0.01
ema_decay = 0.9
save_every = 3
""")
    return path


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of `write_recordings`."""
    return made_once("data/recordings", write_recordings)


@pytest.fixture
def transcription_recipe(recordings: Path, tmp_path: Path) -> Path:
    """A recipe for `recordings`: 2 epochs of some steps. It searches greedily: a beam takes long to score in noise."""
    path = tmp_path / "tiny-transcription.toml"
    path.write_text(f"""
task = "transcription"
objective = "ctc"
name = "tiny"
output = "{tmp_path / "transcription" / "checkpoint"}"
run = "{tmp_path / "transcription" / "run"}"
[data]
path = "{recordings}"
[model]
bands = 16
channels = 4
hidden_size = 24
num_layers = 1
dropout = 0.1
[model.language]
hidden_size = 16
num_layers = 1
[model.decoding]
beam_size = 1
[augmentation]
speed = 0.02
level = 3
babble = 0.1
noise = 0.1
room = 0.1
telephone = 0.1
bands = 1
frames = 2
[training]
epochs = 2
batch_size = 7
warmup_steps = 2
learning_rate = 0.01
ema_decay = 0.9
save_every = 3
digits = 2
silences = 0.1
language = 1.0
""")
    return path


@pytest.fixture(scope="session")
def prices() -> Path:
    """The folder of `write_prices`."""
    return made_once("data/prices", write_prices)


@pytest.fixture
def forecasting_recipe(prices: Path, tmp_path: Path) -> Path:
    """A recipe for `prices`: 2 epochs of 5 steps."""
    path = tmp_path / "tiny-prices.toml"
    path.write_text(f"""
task = "forecasting"
objective = "likelihood"
name = "tiny"
output = "{tmp_path / "forecasting" / "checkpoint"}"
run = "{tmp_path / "forecasting" / "run"}"
[data]
path = "{prices}"
series = ["one", "two"]
dev_from = 2004-06-01
test_from = 2005-03-01
[model]
hidden_size = 6
members = 2
context = 30
[training]
epochs = 2
updates = 5
batch_size = 7
burn_in = 5
warmup_steps = 0
learning_rate = 0.01
ema_decay = 0.9
save_every = 3
""")
    return path


RECIPES = {
    "cross-entropy": "tiny_recipe",
    "tuning": "tuning_recipe",
    "self-critical": "selfcritical_recipe",
    "tagging": "tagging_recipe",
    "mixture": "mixture_recipe",
    "running-text": "text_recipe",
    "classification": "intents_recipe",
    "parallel-text": "translation_recipe",
    "ctc": "transcription_recipe",
    "likelihood": "forecasting_recipe",
}
"""The fixture of each objective's recipe."""


@pytest.fixture
def recipe_of(request: pytest.FixtureRequest) -> RecipeOf:
    """The recipe of an objective."""

    def recipe_of(objective: str) -> Path:
        path: Path = request.getfixturevalue(RECIPES[objective])
        return path

    return recipe_of


@pytest.fixture(scope="session")
def finished() -> Finished:
    """A recipe whose run has come to its end, and whose checkpoint is published; once in the whole run of the tests.

    It differs from the recipe that is given in its folders, which are not to be changed.
    """

    def finished(path: Path) -> Recipe:
        objective = read_recipe(path).objective

        def make(folder: Path) -> None:
            options = [f"--set={option}" for option in folders(path, folder)]
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PATH", "/nowhere")  # no Java
                AcceleratorState._reset_state()
                assert run_command("train", "--config", str(path), *options) == 0
                AcceleratorState._reset_state()

        return read_recipe(path, folders(path, made_once(f"finished/{objective}", make)))

    return finished


def folders(path: Path, folder: Path) -> list[str]:
    """Settings that put all that a recipe writes into a folder."""
    options = [f"run={folder / 'run'}", f"output={folder / 'checkpoint'}"]
    return [*options, f"features.cache={folder / 'features'}"] if "[features]" in path.read_text() else options


def open_trainer(path: Path, options: Sequence[str] = (), *, resume: bool = False) -> Trainer[Any, Any]:
    """The run of a recipe of any task and objective."""
    recipe = read_recipe(path, options)
    return Trainer(recipe, TASKS[recipe.task].objectives[recipe.objective].build, resume=resume)


def train(trainer: Trainer[Any, Any], steps: int) -> list[float]:
    """The first number that each of so many updates reports: the loss, or the reward."""
    numbers: list[float] = []
    while True:
        for figures in trainer.updates():
            numbers.append(next(iter(figures.values())))
            if len(numbers) == steps:
                return numbers
        trainer.progress.epoch, trainer.progress.done = trainer.progress.epoch + 1, 0


def recap_train(*arguments: str) -> None:
    """The command itself."""
    sys.argv[1:] = arguments
    main()


def run_command(*arguments: str) -> int:
    """Exit code of `recap-train`."""
    with pytest.raises(SystemExit) as ended:
        recap_train(*arguments)
    return int(str(ended.value.code))


def kill_once(state: Path, *arguments: str) -> None:
    """Runs `recap-train` in a process of its own, and kills it as soon as it has saved its state."""
    process = begin(recap_train, *arguments)
    until = time.monotonic() + 100
    while not state.exists() and process.is_alive() and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
