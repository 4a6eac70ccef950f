"""The quality that is served against the quality that was trained: CIDEr of both, on a data set's dev split.

python benchmarks/quality.py data/flickr8k [checkpoints/flickr8k-coco]
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from app.serving.loading import Loader
from app.settings import NetworkRuntime, Settings
from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from training.data.pictures import open_picture
from training.tasks.captioning.metrics import CaptionScorer
from training.tasks.captioning.readers import CaptionedImage, open_dataset

BATCH = 8


def captions(captioner: Captioner, images: Sequence[CaptionedImage]) -> list[str]:
    """The best caption of each picture, in the checkpoint's own way."""
    written = []
    for start in range(0, len(images), BATCH):
        batch = [open_picture(image.path) for image in images[start : start + BATCH]]
        written += [found[0].text for found in captioner.caption(batch)]
    return written


def main() -> None:
    """Prints the scores, and how many captions differ."""
    data, folder = [*map(Path, sys.argv[1:]), Path("checkpoints/flickr8k-coco")][:2]
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.task is CAPTIONING
    images = open_dataset(data).split("dev")
    files = [str(image.path) for image in images]
    scorer = CaptionScorer({file: image.captions for file, image in zip(files, images, strict=True)})
    cores, written, scores = torch.get_num_threads(), {}, {}
    runtimes: tuple[NetworkRuntime, ...] = ("torch", "openvino")
    for runtime in runtimes:
        captioner = Loader(Settings(runtime=runtime, device="cpu", threads=cores)).load(checkpoint)
        started = time.perf_counter()
        written[runtime] = captions(captioner, images)
        seconds = time.perf_counter() - started
        scores[runtime] = scorer.score(dict(zip(files, written[runtime], strict=True)), metrics=["CIDEr"])["CIDEr"]
        print(f"{runtime:9} CIDEr {scores[runtime]:.4f}, {len(images) / seconds:.1f} pictures/s", flush=True)
    differ = sum(one != other for one, other in zip(written["torch"], written["openvino"], strict=True))
    print(f"{differ} of {len(images)} captions differ; CIDEr by {scores['openvino'] / scores['torch'] - 1:+.2%}")


if __name__ == "__main__":
    main()
