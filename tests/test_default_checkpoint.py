"""The checkpoint that is shipped: small, whole, and as good as the documents say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from model.checkpoint import Checkpoint
from model.openvino.runtime import Runtime
from model.tasks.captioning import CAPTIONING
from training.tasks import read_recipe
from training.tasks.captioning.recipe import SelfCriticalRecipe

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "checkpoints" / "flickr8k-coco"


def test_checkpoint_is_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 40_000_000


def test_readmes_picture_has_the_readmes_caption() -> None:
    checkpoint = Checkpoint.open(FOLDER)
    assert checkpoint.task is CAPTIONING
    captioner = checkpoint.load()
    with Image.open(ROOT / "docs" / "photo.jpg") as file:
        picture = file.convert("RGB")
    ((caption,),) = captioner.caption([picture])
    assert caption.finish_reason == "stop"
    assert "a man" in caption.text
    assert "camera" in caption.text
    assert json.dumps(caption.text) in (ROOT / "README.md").read_text(encoding="utf-8")
    ((neutral,),) = captioner.caption([picture], checkpoint.config.decoding.model_copy(update={"neutral": True}))
    assert "person" in neutral.text
    assert " man " not in f" {neutral.text} "


@pytest.mark.skipif(not Runtime.available(), reason="OpenVINO is not installed")
def test_picture_has_the_same_caption_alone_and_in_any_batch() -> None:
    """As it is served, with what this CPU has for bfloat16 and 8 bits."""
    checkpoint = Checkpoint.open(FOLDER)
    assert checkpoint.task is CAPTIONING
    captioner = Runtime(threads=2).load(checkpoint)
    with Image.open(ROOT / "docs" / "photo.jpg") as file:
        whole = file.convert("RGB")
    pictures = [
        whole.crop((left, top, left + side, top + side))
        for side in (256, 400)
        for left in (0, 100)
        for top in (0, 50, 112)
    ]
    pixels = torch.stack([captioner.preprocess(picture) for picture in pictures])  # (B, 3, S, S)
    decoding = checkpoint.config.decoding
    alone = [captioner.generate(captioner.encode(one[None]), decoding)[0][0] for one in pixels]
    assert len({caption.logprob for caption in alone}) == len(alone)
    for size in (2, 3, 5, len(alone)):
        for start in range(0, len(alone), size):
            together = captioner.generate(captioner.encode(pixels[start : start + size]), decoding)
            for (caption, *_), expected in zip(together, alone[start : start + size], strict=True):
                assert caption.text == expected.text
                assert caption.logprob == pytest.approx(expected.logprob, abs=1e-4)


@pytest.mark.parametrize("document", [ROOT / "README.md", FOLDER / "README.md"], ids=["README", "card"])
def test_documents_have_the_figures(document: Path) -> None:
    metrics = Checkpoint.open(FOLDER).metrics
    assert (metrics["split"], metrics["images"]) == ("dev", 1000)
    text = document.read_text(encoding="utf-8")
    for name in ("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr"):
        assert f"{metrics[name]:.3f}" in text, name


def test_checkpoint_was_trained_with_the_published_recipe() -> None:
    recipe = read_recipe(ROOT / "configs" / "captioning" / "flickr8k-coco.toml")
    # Keys that recipes have got since then have defaults that change nothing.
    assert SelfCriticalRecipe.model_validate(Checkpoint.open(FOLDER).metrics["recipe"]) == recipe


def test_confidence_is_calibrated_as_the_documents_say() -> None:
    figures = Checkpoint.open(FOLDER).metrics["calibration"]
    for document in (FOLDER / "README.md", ROOT / "docs" / "tasks" / "captioning.md"):
        text = document.read_text(encoding="utf-8")
        for name in ("threshold", "error", "uncalibrated_error"):
            assert f"{figures[name]:.3f}" in text, (document, name)


def counted(name: str) -> dict[str, int]:
    """The number of captions of one set, of the right ones, and of each kind of mistake."""
    command = [sys.executable, "benchmarks/errors.py", f"docs/samples/{name}-errors.csv"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {kind: int(count) for kind, count in map(str.split, told.splitlines())}


def test_card_has_the_mistakes_that_were_counted() -> None:
    sets = [counted(name) for name in ("flickr8k", "coco", "imagenet")]
    assert [list(counts)[2] for counts in sets] == ["action", "action", "wording"]  # the most frequent first
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    table = card[card.index("| mistake |") :].partition("\n\n")[0]
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \|", table, re.MULTILINE)
    found = {kind: [int(count) for count in counts] for kind, *counts in rows}
    kinds = {kind for counts in sets for kind in counts}
    assert found == {kind: [counts.get(kind, 0) for counts in sets] for kind in kinds}
