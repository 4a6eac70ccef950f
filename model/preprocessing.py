"""From a picture to the encoder's input, with Pillow alone."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.config import PreprocessingConfig

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resize(image: Image.Image, config: PreprocessingConfig) -> Image.Image:
    """An RGB picture of any size to S x S, squashed or cut as the configuration says."""
    size, resampling = config.size, _FILTERS[config.interpolation]
    if config.resize == "squash":
        return image.resize((size, size), resampling, reducing_gap=3.0)
    side = min(image.size) * config.crop_fraction  # of the square that is kept, in pixels
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((size, size), resampling, box=(left, top, left + side, top + side), reducing_gap=3.0)


def normalize(pixels: Tensor, config: PreprocessingConfig) -> Tensor:
    """Bytes (..., S, S, 3) to the encoder's floats (..., 3, S, S)."""
    mean = torch.tensor(config.mean, device=pixels.device) * 255
    std = torch.tensor(config.std, device=pixels.device) * 255
    return ((pixels - mean) / std).movedim(-1, -3)  # (..., 3, S, S)


def preprocess(image: Image.Image, config: PreprocessingConfig) -> Tensor:
    """An RGB picture of any size to (3, S, S), float32."""
    pixels = torch.from_numpy(np.array(resize(image, config)))  # (S, S, 3)
    return normalize(pixels, config)  # (3, S, S)
