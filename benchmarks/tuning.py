"""A step of tuning, 24 pictures with all their captions, and where its time goes.

Against it: the encoder with its tensors in torch's default layout.

python benchmarks/tuning.py DATA CHECKPOINT
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from model.openvino.precision import autocast
from model.vision.preprocessing import normalize
from training.recipe import DataRecipe, TuningRecipe
from training.tasks.captioning.tuning import TuningTrainer


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Of the fastest run."""
    fastest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def main() -> None:
    """Prints seconds, shares and ratios."""
    folder = tempfile.TemporaryDirectory()
    recipe = TuningRecipe(
        name="benchmark",
        start=Path(sys.argv[2]),
        output=Path(folder.name, "checkpoint"),
        run=Path(folder.name, "run"),
        data=DataRecipe(path=Path(sys.argv[1])),
    )
    trainer = TuningTrainer(recipe)
    encoder, device = trainer.captioner.encoder, trainer.accelerator.device
    (batch,) = trainer._ready(trainer.buckets.batches(0)[:1])
    pixels = normalize(batch.pixels.to(device), trainer.preprocessing)

    def encode(layout: torch.memory_format) -> Callable[[], None]:
        encoder.to(memory_format=layout)
        turned = pixels.contiguous(memory_format=layout)

        def forward_and_backward() -> None:
            with autocast(device):
                grid = encoder(turned)
            grid.float().sum().backward()

        return forward_and_backward

    def forward() -> None:
        with torch.no_grad(), autocast(device):
            encoder(pixels)

    loading = seconds(lambda: [trainer._load((picture, 0)) for picture in batch.numbers])
    plain = seconds(encode(torch.contiguous_format))
    encoding = seconds(encode(torch.channels_last))
    looking = seconds(forward)
    step = seconds(lambda: trainer._step(batch))

    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"step                           {step:6.2f} s   {len(trainer.buckets) * step / 60:.1f} min an epoch")
    for name, part in (
        ("encoder, forward", looking),
        ("encoder, backward", encoding - looking),
        ("decoder, Adam, averages", step - encoding),
    ):
        print(f"  {name:27}  {part:6.2f} s   {part / step:.1%}")
    print(f"pictures, ahead of it          {loading:6.2f} s   {loading / step:.1%} of a step's time, of one thread")
    print(f"encoder in the default layout  {plain:6.2f} s   {plain / encoding:.2f} x")


if __name__ == "__main__":
    main()
