"""Feature extraction from files to the cache, against timm's network as it comes (eager, single precision).

python benchmarks/features.py DATA [PICTURES]
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

from model.vision.config import EncoderConfig
from model.vision.preprocessing import preprocess
from training.data.pictures import open_picture
from training.tasks.captioning.backbone import pretrained_encoder
from training.tasks.captioning.features import cached_features
from training.tasks.captioning.readers import open_dataset


def rate(extract: Callable[[Sequence[Path]], None], pictures: Sequence[Path]) -> float:
    """Pictures a second, after a warm-up."""
    extract(pictures[:32])
    start = time.perf_counter()
    extract(pictures)
    return len(pictures) / (time.perf_counter() - start)


def main() -> None:
    """Prints both rates and their ratio."""
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    pictures = [image.path for image in open_dataset(Path(sys.argv[1])).split("train")][:count]
    config = EncoderConfig()
    ours = pretrained_encoder(config, "package")
    theirs: Any = timm.create_model(config.name).eval()

    def baseline(files: Sequence[Path]) -> None:
        with torch.inference_mode(), tempfile.NamedTemporaryFile(suffix=".npy") as file:
            out = np.lib.format.open_memmap(file.name, mode="w+", dtype=np.float16, shape=(len(files), 1280, 7, 7))
            for start in range(0, len(files), 32):
                part = files[start : start + 32]
                pixels = torch.stack([preprocess(open_picture(path), config.preprocessing) for path in part])
                out[start : start + len(part)] = theirs.forward_features(pixels).half().numpy()

    def recap(files: Sequence[Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            cached_features(ours, config, files, Path(folder))

    slow, fast = rate(baseline, pictures), rate(recap, pictures)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"timm, eager, float32   {slow:7.1f} pictures/s")
    print(f"recap-train features   {fast:7.1f} pictures/s   {fast / slow:.1f} x")


if __name__ == "__main__":
    main()
