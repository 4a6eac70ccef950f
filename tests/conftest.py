"""What tests share: where the real pictures are, a small captioner, and a drawn picture."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from model.captioner import Captioner
from model.checkpoint import save
from model.config import CaptionerConfig, DecoderConfig, EncoderConfig, PreprocessingConfig
from model.vocabulary import Vocabulary, tokenize

ROOT = Path(__file__).resolve().parent.parent

SENTENCES = (
    "A brown dog runs through the green grass .",
    "Two children are playing in the water near the beach .",
    "A man in a red shirt climbs a rock .",
    "The woman rides a bicycle down the street .",
    "A black dog jumps over a wooden fence .",
)


def pytest_configure() -> None:
    """One thread a process: the networks here are too small for two, and threads that fight over cores wait long."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


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


@pytest.fixture
def picture() -> Image.Image:
    """A drawn RGB picture, 96 x 64."""
    return draw(0)


@pytest.fixture
def pictures() -> list[Image.Image]:
    """Five drawn RGB pictures of different sizes."""
    return [draw(seed, size) for seed, size in enumerate([(96, 64), (64, 96), (80, 80), (33, 65), (200, 50)])]


@pytest.fixture(scope="session")
def tiny_captioner() -> Captioner:
    """A real captioner, small and untrained, in evaluation mode; the same in every run. Do not change it."""
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tf_efficientnet_lite0", preprocessing=PreprocessingConfig(size=64)),
        decoder=DecoderConfig(embedding_size=16, hidden_size=24, attention_size=8, dropout=0.0),
    )
    vocabulary = Vocabulary.build([tokenize(sentence) for sentence in SENTENCES], min_count=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        captioner = Captioner(config, vocabulary)
        # Fresh weights answer every picture alike: batch norm has seen none, and all words are about as likely.
        pixels = torch.stack([captioner.preprocess(draw(seed)) for seed in range(16)])  # (B, 3, S, S)
        with torch.no_grad():
            captioner.train()
            for _ in range(20):
                captioner.encoder(pixels)
            captioner.decoder.output.weight.mul_(20)
    return captioner.eval().requires_grad_(False)


@pytest.fixture
def tiny_checkpoint(tiny_captioner: Captioner, tmp_path: Path) -> Path:
    """`tiny_captioner` saved as checkpoints/tiny in a folder of the test's own."""
    card = "# tiny\n\nRandom weights, for tests.\n"
    return save(tmp_path / "checkpoints" / "tiny", tiny_captioner, name="tiny", metrics={}, card=card).path


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings of the person who runs the tests do not reach the code under test."""
    for name in [name for name in os.environ if name.startswith("RECAP_") and name != "RECAP_DATA"]:
        monkeypatch.delenv(name)
    yield
