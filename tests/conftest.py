"""What tests share: where the real pictures are, a small captioner and language model, and a drawn picture."""

import fcntl
import io
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageDraw
from safetensors.torch import load_model, save_model
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.nn.utils.rnn import pad_sequence

from model.checkpoint import save
from model.subwords import Subwords
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, DecoderConfig
from model.tasks.captioning.tagger import Tags
from model.tasks.text import TEXT
from model.tasks.text.config import GenerationConfig, LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.translation import TRANSLATION
from model.tasks.translation.config import TranslatorConfig
from model.tasks.translation.languages import Languages
from model.tasks.translation.translator import Translator
from model.vision.config import EncoderConfig, PreprocessingConfig
from model.vocabulary import BOS, EOS, PAD, Vocabulary, tokenize

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("RECAP_DATA", "RECAP_PRECISION")
"""Variables that tests see."""

FullDisk = Callable[[int], AbstractContextManager[None]]

SENTENCES = (
    "A brown dog runs through the green grass .",
    "Two children are playing in the water near the beach .",
    "A man in a red shirt climbs a rock .",
    "The woman rides a bicycle down the street .",
    "A black dog jumps over a wooden fence .",
)

GERMAN = (
    "Ein brauner Hund rennt durch das gr\u00fcne Gras .",
    "Zwei Kinder spielen im Wasser in der N\u00e4he des Strandes .",
    "Ein Mann in einem roten Hemd klettert auf einen Felsen .",
    "Die Frau f\u00e4hrt mit einem Fahrrad die Stra\u00dfe entlang .",
    "Ein schwarzer Hund springt \u00fcber einen h\u00f6lzernen Zaun .",
)
"""Translations of `SENTENCES`."""

NOUNS = ("animal", "dog", "grass", "person", "man", "woman", "shirt", "rock", "water", "bicycle", "fence")
BROADER = {"dog": ["animal"], "man": ["person"], "woman": ["person"]}
"""Nouns of `SENTENCES`, and what some of them are kinds of."""


def pytest_configure(config: pytest.Config) -> None:
    """On the CPU, also where there is a GPU, whose sums come in another order each time: tests compare to the bit. With
    CUDA_VISIBLE_DEVICES set, on what it names.

    One thread a process: the networks here are too small for two, and threads that fight over cores wait long.

    No time limits for examples: how long one takes says more of what else the machine does. What is compiled or learnt
    is kept for all processes of the run, and no longer.
    """
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    os.environ["RECAP_PRECISION"] = "float32"  # what is served is compared with torch, whatever the CPU has
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
    if not hasattr(config, "workerinput"):
        caches = TemporaryDirectory(prefix="recap-caches-")
        config.add_cleanup(caches.cleanup)
        os.environ["XDG_CACHE_HOME"] = caches.name


def find_flickr8k() -> Path | None:
    """The real data set: $RECAP_DATA/flickr8k, else shared/data/flickr8k beside the repository or further up."""
    if "RECAP_DATA" in os.environ:
        candidates = [Path(os.environ["RECAP_DATA"]) / "flickr8k"]
    else:
        candidates = [folder / "shared" / "data" / "flickr8k" for folder in (ROOT, *ROOT.parents)]
    return next((folder for folder in candidates if (folder / "Flickr8k.token.txt").is_file()), None)


def find_browser() -> str | None:
    """Path of a Chromium, under any of the names that distributions give it."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what this machine can't run, saying what is missing."""
    reasons: dict[str, str] = {}
    if find_flickr8k() is None:
        reasons["data"] = "no Flickr8k: set RECAP_DATA to the folder that holds flickr8k/"
    if shutil.which("java") is None:
        reasons["java"] = "no java on the PATH: install a Java runtime (Debian: default-jre-headless)"
    if find_browser() is None:
        reasons["browser"] = "no chromium on the PATH (Debian: chromium)"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def flickr8k() -> Path:
    """Folder of the real data set; tests that ask for it are marked `data`."""
    folder = find_flickr8k()
    if folder is None:
        pytest.skip("no Flickr8k: set RECAP_DATA to the folder that holds flickr8k/")
    return folder


def draw(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """An RGB picture of coloured shapes, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(count: int, below: int) -> list[int]:
        return torch.randint(below, (count,), generator=generator).tolist()

    image = Image.new("RGB", size, tuple(numbers(3, 256)))
    pen = ImageDraw.Draw(image)
    for _ in range(8):
        (left, right), (top, bottom) = sorted(numbers(2, size[0])), sorted(numbers(2, size[1]))
        shape = pen.ellipse if numbers(1, 2)[0] else pen.rectangle
        shape((left, top, right, bottom), fill=tuple(numbers(3, 256)))
    return image


def draw_pictures() -> list[Image.Image]:
    """A drawn RGB picture of its own shape for each of `SENTENCES`."""
    return [draw(seed, size) for seed, size in enumerate([(96, 64), (64, 96), (80, 80), (33, 65), (200, 50)])]


@pytest.fixture
def picture() -> Image.Image:
    """A drawn RGB picture, 96 x 64."""
    return draw(0)


@pytest.fixture
def pictures() -> list[Image.Image]:
    """Five drawn RGB pictures of different sizes; `tiny_captioner` knows a sentence for each."""
    return draw_pictures()


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder that one process of the run makes; all of them read it, and none changes it."""
    folder = Path(os.environ["XDG_CACHE_HOME"], name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f"{folder.name}.made")
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a test that failed has left
            make(folder)
            made.touch()
    return folder


def learn_once(model: torch.nn.Module, name: str, learn: Callable[[], None]) -> None:
    """Lets one process of the run train `model`; it then has the same weights in all of them."""

    def make(folder: Path) -> None:
        learn()
        folder.mkdir()
        save_model(model, str(folder / "model.safetensors"))

    load_model(model, made_once(name, make) / "model.safetensors")


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """`encode(image, format, **options)`: the bytes of a picture's file."""

    def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def tiny_captioner() -> Captioner:
    """A real captioner, small, that has learnt one sentence for each of `pictures`; the same in every run.

    The encoder's weights are random, its grid 2 x 2. Shared by the whole run: do not change it.
    """
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tf_efficientnet_lite0", preprocessing=PreprocessingConfig(size=64)),
        decoder=DecoderConfig(embedding_size=16, hidden_size=48, attention_size=8, dropout=0.0),
    )
    sentences = [tokenize(sentence) for sentence in SENTENCES]
    vocabulary = Vocabulary.build(sentences, min_count=1)
    ids = [torch.tensor([BOS, *vocabulary.encode(sentence), EOS]) for sentence in sentences]
    tokens = pad_sequence(ids, batch_first=True, padding_value=PAD)  # (B, T)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        captioner = Captioner(config, vocabulary)
    for module in captioner.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain average of what it sees, here one batch

    def learn() -> None:
        pixels = torch.stack([captioner.preprocess(image) for image in draw_pictures()])  # (B, 3, S, S)
        with torch.no_grad():  # the norms must have seen pictures, or all look alike to them
            captioner.train().encoder(pixels)
            grid = captioner.eval().encoder(pixels)  # (B, P, E)
        optimizer = torch.optim.Adam(captioner.decoder.parameters(), lr=0.01)
        for _ in range(150):
            logits, _ = captioner.decoder(grid, tokens[:, :-1])  # (B, T, V)
            loss = cross_entropy(logits.transpose(1, 2), tokens[:, 1:], ignore_index=PAD)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    learn_once(captioner, "tiny", learn)
    return captioner.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tagged_captioner(tiny_captioner: Captioner) -> Captioner:
    """`tiny_captioner` with a tagger that has learnt which of `NOUNS` are in each of the five sentences.

    Shared by the whole run: do not change it.
    """
    tags = Tags(NOUNS, [[NOUNS.index(word) for word in BROADER.get(noun, ())] for noun in NOUNS])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        captioner = Captioner(tiny_captioner.config, tiny_captioner.vocabulary, tags=tags)
    captioner.load_state_dict(tiny_captioner.state_dict(), strict=False)
    tagger = captioner.eval().tagger
    assert tagger is not None

    def learn() -> None:
        pixels = torch.stack([captioner.preprocess(image) for image in draw_pictures()])  # (B, 3, S, S)
        features = tiny_captioner.encode(pixels).mean(1).clone()  # (B, E)
        tagger.centre.copy_(features.mean(0))
        tagger.scale.copy_(features.std(0).clamp(min=1e-3))
        there = [[noun in sentence.lower().split() for noun in NOUNS] for sentence in SENTENCES]
        labels = torch.tensor(there).float()  # (B, V)
        optimizer = torch.optim.Adam(tagger.head.parameters(), lr=0.002)
        for _ in range(60):
            loss = binary_cross_entropy_with_logits(tagger.logits(features), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    learn_once(tagger, "tiny-tagger", learn)
    return captioner.requires_grad_(False)


@pytest.fixture
def tiny_checkpoint(tiny_captioner: Captioner, tmp_path: Path) -> Path:
    """`tiny_captioner` saved as checkpoints/tiny in a folder of the test's own."""
    card = "# tiny\n\nKnows five drawn pictures; for tests.\n"
    return save(tmp_path / "checkpoints" / "tiny", CAPTIONING, tiny_captioner, name="tiny", metrics={}, card=card).path


@pytest.fixture(scope="session")
def tiny_language_model() -> LanguageModel:
    """A real character model, small, that has learnt the page of `SENTENCES`; the same in every run.

    Shared by the whole run: do not change it.
    """
    page = "\n".join(SENTENCES) + "\n"
    config = LanguageModelConfig(
        embedding_size=16, hidden_size=48, num_layers=2, generation=GenerationConfig(max_tokens=40, temperature=0.5)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        language_model = LanguageModel(config, Vocabulary.build([page]))

    def learn() -> None:
        tokens = torch.tensor([language_model.encode(page * 2)])  # (1, T)
        optimizer = torch.optim.Adam(language_model.parameters(), lr=0.02)
        for _ in range(60):
            logits, _ = language_model(tokens[:, :-1])  # (1, T, V)
            loss = cross_entropy(logits.transpose(1, 2), tokens[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    learn_once(language_model, "tiny-text", learn)
    return language_model.eval().requires_grad_(False)


@pytest.fixture
def tiny_language_checkpoint(tiny_language_model: LanguageModel, tmp_path: Path) -> Path:
    """`tiny_language_model` saved as checkpoints/tiny-text in a folder of the test's own."""
    card = "# tiny-text\n\nKnows five sentences by heart; for tests.\n"
    return save(
        tmp_path / "checkpoints" / "tiny-text", TEXT, tiny_language_model, name="tiny-text", metrics={}, card=card
    ).path


@pytest.fixture(scope="session")
def tiny_translator() -> Translator:
    """A real translator, small, that has learnt `GERMAN` for `SENTENCES`; the same in every run.

    Shared by the whole run: do not change it.
    """
    subwords = Subwords.learn([*SENTENCES, *GERMAN], 360)
    words = Vocabulary.build(map(tokenize, SENTENCES))
    sides = [[subwords.encode(sentence) for sentence in side] for side in (SENTENCES, GERMAN)]
    languages = Languages.learn(("en", "de"), sides[0], sides[1], len(subwords))
    config = TranslatorConfig(embedding_size=24, encoder_size=24, hidden_size=40, attention_size=16, dropout=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        translator = Translator(config, subwords, words, languages)

    def learn() -> None:
        sources = pad_sequence([translator.encode(sentence) for sentence in SENTENCES], batch_first=True)  # (B, P)
        rows = [torch.tensor([BOS, *side, EOS]) for side in sides[1]]
        tokens = pad_sequence(rows, batch_first=True, padding_value=PAD)  # (B, T)
        optimizer = torch.optim.Adam(translator.parameters(), lr=0.01)
        for _ in range(120):
            written = translator.network(sources, tokens[:, :-1])
            loss = cross_entropy(written.logits.transpose(1, 2), tokens[:, 1:], ignore_index=PAD)
            loss = loss + written.copying.sigmoid().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    learn_once(translator, "tiny-translator", learn)
    return translator.eval().requires_grad_(False)


@pytest.fixture
def tiny_translator_checkpoint(tiny_translator: Translator, tmp_path: Path) -> Path:
    """`tiny_translator` saved as checkpoints/tiny-en-de in a folder of the test's own."""
    card = "# tiny-en-de\n\nKnows five sentences by heart; for tests.\n"
    folder = tmp_path / "checkpoints" / "tiny-en-de"
    return save(folder, TRANSLATION, tiny_translator, name="tiny-en-de", metrics={}, card=card).path


@pytest.fixture(scope="session")
def full_disk() -> FullDisk:
    """A disk with room for so many bytes in a file: like a full one, it refuses to write more, with an OSError."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the person who runs the tests do not reach the code under test."""
    for name in [name for name in os.environ if name.startswith("RECAP_") and name not in KEPT]:
        monkeypatch.delenv(name)
