"""Pictures to the encoder's input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from model.vision.config import PreprocessingConfig
from model.vision.preprocessing import preprocess, resize


def gradient(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    colours = [columns / width, rows / height, (rows + columns) / (width + height)]
    return Image.fromarray((np.stack(colours, 2) * 255).astype(np.uint8))


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["squash", "crop"]))
def test_any_size_becomes_a_normalised_square(width: int, height: int, resize: str) -> None:
    config = PreprocessingConfig.model_validate({"size": 64, "resize": resize})
    pixels = preprocess(gradient(width, height), config)
    assert (pixels.shape, pixels.dtype) == ((3, 64, 64), torch.float32)
    assert -1 <= float(pixels.min()) <= float(pixels.max()) <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crop_is_torchvisions_evaluation_transform(interpolation: str) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config = PreprocessingConfig.model_validate(
        {"size": 96, "resize": "crop", "crop_fraction": 0.75, "interpolation": interpolation, "mean": mean, "std": std}
    )
    theirs = v2.Compose(
        [
            v2.Resize(128, interpolation=v2.InterpolationMode(interpolation)),
            v2.CenterCrop(96),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )
    picture = gradient(320, 200)
    assert (preprocess(picture, config) - theirs(picture)).abs().mean() < 0.02  # they round to whole pixels twice


@pytest.mark.parametrize("size", [(90, 50), (64, 64), (30, 40), (500, 70), (1000, 800)])
def test_squash_is_pillows_resize_to_a_level(size: tuple[int, int]) -> None:
    picture = gradient(*size)
    expected = np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC, reducing_gap=3)) / 127.5 - 1
    ours = preprocess(picture, PreprocessingConfig(size=64)).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, expected, atol=1.001 / 127.5)


def test_pixels_of_noise_are_pillows_but_for_a_few() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    picture = Image.fromarray(noise)
    ours = resize(picture, PreprocessingConfig()).permute(1, 2, 0).numpy().astype(int)
    expected = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC)).astype(int)
    assert (ours != expected).mean() < 0.02
