"""A step of tuning, 24 pictures with all their captions, and where its time goes.

Against it: the encoder with its tensors in torch's default layout.

python benchmarks/tuning.py DATA CHECKPOINT
"""

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from selfcritical import timed

from model.openvino.precision import autocast
from model.vision.preprocessing import normalize
from training.tasks.captioning.recipe import DataRecipe, TuningRecipe
from training.tasks.captioning.tuning import Tuning
from training.trainer import Trainer


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
    trainer = Trainer(recipe, Tuning)
    objective = trainer.objective
    assert isinstance(objective, Tuning)
    encoder, device = trainer.model.encoder, trainer.accelerator.device
    pictures = objective.buckets.batches(0)[0]
    pixels = torch.stack([objective.load((picture, 0)) for picture in pictures])
    pixels = normalize(pixels.to(device), objective.preprocessing)
    updates = trainer.updates()

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

    loading, _ = timed(lambda: [objective.load((picture, 0)) for picture in pictures])
    plain, _ = timed(encode(torch.contiguous_format))
    encoding, _ = timed(encode(torch.channels_last))
    looking, _ = timed(forward)
    step, _ = timed(lambda: next(updates), 4)  # the first waits for its pictures

    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"step                           {step:6.2f} s   {objective.updates_per_epoch * step / 60:.1f} min an epoch")
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
