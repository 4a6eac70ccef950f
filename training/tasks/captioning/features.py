"""The encoder's grids for a whole data set, computed once and read from a memory-mapped file ever after.

The cache carries a fingerprint of the encoder's weights, the preprocessing and the pictures' bytes: where any of them
has changed it is built anew, never used.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image, ImageOps
from torch import Tensor, nn
from tqdm import tqdm

from model.openvino.precision import autocast
from model.vision.config import EncoderConfig
from model.vision.preprocessing import normalize, resize, useful_side
from training.cache import add_pictures, cached, new_array
from training.data.pictures import check_pictures, open_picture
from training.prefetch import in_batches, load_batches
from training.tasks.captioning.readers import CaptionDataset
from training.tasks.captioning.recipe import FeaturesRecipe

VERSION = 2  # of the file's format


@dataclass(frozen=True)
class FeatureCache:
    """Grids of pictures, by position in the list they were made from."""

    grids: np.ndarray
    """(pictures, views, P, E), float16, memory-mapped. View 0 is the picture, odd views are mirrored."""
    fingerprint: str

    def read(self, pictures: Sequence[int], views: Sequence[int]) -> Tensor:
        """(B, P, E) of the pictures, each in its view."""
        return torch.from_numpy(self.grids[list(pictures), list(views)])

    def batches(self, batch_size: int, device: torch.device) -> Iterator[Tensor]:
        """All pictures as they are, in their order: (B, P, E) each, in single precision."""
        for part in in_batches(range(len(self.grids)), batch_size):
            yield self.read(part, [0] * len(part)).to(device).float()


def prepare_features(
    recipe: FeaturesRecipe, config: EncoderConfig, data: CaptionDataset, encoder: nn.Module, accelerator: Accelerator
) -> dict[str, FeatureCache]:
    """The cached grids of the train and dev pictures, computed if the cache is missing or stale.

    Raises:
        DataError: pictures can't be read; the message names those of both splits, before any work.
    """
    train, dev = ([image.path for image in data.split(split)] for split in ("train", "dev"))

    def cache(split: str, pictures: list[Path], views: int, checked: list[Path]) -> FeatureCache:
        folder, size, device = recipe.cache / split, recipe.batch_size, accelerator.device
        return cached_features(
            encoder, config, pictures, folder, views=views, device=device, batch_size=size, checked=checked
        )

    with accelerator.main_process_first():  # one process builds, the others read
        return {"train": cache("train", train, recipe.views, [*train, *dev]), "dev": cache("dev", dev, 1, dev)}


def view(image: Image.Image, number: int, picture: int) -> Image.Image:
    """View `number` of a picture, for the encoder: 0 is all of it, odd numbers are mirrored, 2 and on are cropped.

    A crop keeps 60 to 100 % of each side; it depends on the two numbers alone, so that a cache can be built anew.
    """
    if number >= 2:
        place = np.random.default_rng((number, picture))
        width, height = (round(side * place.uniform(0.6, 1.0)) for side in image.size)
        left, top = place.integers(image.width - width + 1), place.integers(image.height - height + 1)
        image = image.crop((int(left), int(top), int(left) + width, int(top) + height))
    return ImageOps.mirror(image) if number % 2 else image


def fingerprint(encoder: nn.Module, config: EncoderConfig, pictures: Sequence[Path], views: int) -> str:
    """Hexadecimal digest of all that the cached grids depend on.

    Weights count in half precision, as a checkpoint has them, so that its training features serve to train it further.
    """
    digest = hashlib.sha256(f"{VERSION} {views} {config.model_dump_json()}".encode())
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update((tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous().numpy().tobytes())
    add_pictures(digest, pictures)
    return digest.hexdigest()


def cached_features(
    encoder: nn.Module,
    config: EncoderConfig,
    pictures: Sequence[Path],
    directory: Path,
    *,
    views: int = 1,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
    checked: Sequence[Path] | None = None,
) -> FeatureCache:
    """The cache in `directory`, built if it is missing or of another encoder, preprocessing or pictures.

    Args:
        encoder: (B, 3, S, S) -> (B, P, E), in evaluation mode.
        config: the encoder's, which has the preprocessing.
        pictures: files; the cache numbers them in this order.
        directory: folder of grids.npy and cache.json.
        views: views of each picture, see `view`.
        device: where the encoder runs.
        batch_size: views at a time.
        checked: files that have to be readable before the cache is built; `pictures` if None.

    Raises:
        DataError: files can't be read; the message names all of them.
        FloatingPointError: features are too large for half precision, or no numbers.
    """
    mark = fingerprint(encoder, config, pictures, views)
    grids = directory / "grids.npy"

    def build() -> None:
        check_pictures(pictures if checked is None else checked)
        _build(encoder.to(device), config, pictures, grids, views, batch_size)

    cached(directory, mark, build)
    return FeatureCache(np.load(grids, mmap_mode="r"), mark)


def _build(
    encoder: nn.Module, config: EncoderConfig, pictures: Sequence[Path], path: Path, views: int, batch_size: int
) -> None:
    """Streams all views of all pictures through the encoder into `path`; decoding runs ahead in threads."""
    device = next(encoder.parameters()).device
    encoder = encoder.to(memory_format=torch.channels_last)  # with bfloat16, twice as fast on a CPU
    work = [(picture, number) for picture in range(len(pictures)) for number in range(views)]

    def load(job: tuple[int, int]) -> Tensor:
        picture, number = job
        image = view(open_picture(pictures[picture], 2 * useful_side(config.preprocessing)), number, picture)
        return resize(image, config.preprocessing)  # (3, S, S)

    out: np.memmap | None = None
    start = 0
    with tqdm(desc="features", total=len(work), unit="view", disable=None) as bar:
        for batch in load_batches(load, in_batches(work, batch_size)):
            pixels = normalize(batch.to(device, memory_format=torch.channels_last), config.preprocessing)
            with torch.inference_mode(), autocast(device):
                grid = encoder(pixels).half().cpu().numpy()  # (B, P, E)
            if not np.isfinite(grid).all():
                raise FloatingPointError(
                    f"{config.name}: features beyond half precision; are its weights trained ones?"
                )
            if out is None:
                out = new_array(path, np.float16, (len(pictures), views, *grid.shape[1:]))
            out.reshape(len(work), *grid.shape[1:])[start : start + len(grid)] = grid
            start += len(grid)
            bar.update(len(grid))
    if out is not None:
        out.flush()
