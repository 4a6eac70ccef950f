"""The feature cache: right, reused, and never stale."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from model.openvino.precision import autocast
from model.vision.config import EncoderConfig, PreprocessingConfig
from model.vision.encoder import build_encoder
from model.vision.preprocessing import preprocess
from tests.conftest import draw
from training.data.pictures import open_picture
from training.tasks.captioning.backbone import pretrained_encoder
from training.tasks.captioning.features import FeatureCache, cached_features, view
from training.tasks.captioning.readers import DataError

CONFIG = EncoderConfig(name="tf_efficientnet_lite0", preprocessing=PreprocessingConfig(size=64))


@pytest.fixture(scope="module")
def encoder() -> nn.Module:
    return pretrained_encoder(CONFIG, "package")


@pytest.fixture
def files(tiny_data: Path, tmp_path: Path) -> list[Path]:
    names = [f"{number}_picture.jpg" for number in range(5)]
    return [Path(shutil.copy(tiny_data / "Flicker8k_Dataset" / name, tmp_path)) for name in names]


def build(
    encoder: nn.Module, files: list[Path], folder: Path, *, views: int = 1, config: EncoderConfig = CONFIG
) -> FeatureCache:
    return cached_features(encoder, config, files, folder / "cache", views=views, batch_size=2)


def test_grids_are_the_encoders(encoder: nn.Module, files: list[Path], tmp_path: Path) -> None:
    cache = build(encoder, files, tmp_path, views=2)
    assert cache.grids.shape == (5, 2, 4, 1280)
    plain = torch.stack([preprocess(open_picture(file), CONFIG.preprocessing) for file in files])
    with torch.inference_mode(), autocast(torch.device("cpu")):
        expected, mirrored = encoder(plain).float(), encoder(plain.flip(3)).float()
    everything = range(len(files))
    torch.testing.assert_close(cache.read(everything, [0] * 5).float(), expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(cache.read(everything, [1] * 5).float(), mirrored, rtol=0.02, atol=0.02)
    assert (cache.read([3, 1], [1, 0]) == torch.stack([cache.read([3], [1])[0], cache.read([1], [0])[0]])).all()


def test_an_unchanged_cache_is_reused(encoder: nn.Module, files: list[Path], tmp_path: Path) -> None:
    build(encoder, files, tmp_path)
    grids = tmp_path / "cache" / "grids.npy"
    os.utime(grids, (1, 1))
    build(encoder, files, tmp_path)
    assert grids.stat().st_mtime == 1


@pytest.mark.parametrize("change", ["a picture", "the order", "the preprocessing", "the weights", "the views"])
def test_a_stale_cache_is_rebuilt(encoder: nn.Module, files: list[Path], tmp_path: Path, change: str) -> None:
    before = build(encoder, files, tmp_path)
    config, views = CONFIG, 1
    if change == "a picture":
        draw(99).save(files[2])
    elif change == "the order":
        files.reverse()
    elif change == "the preprocessing":
        config = EncoderConfig(name=CONFIG.name, preprocessing=PreprocessingConfig(size=64, interpolation="bilinear"))
    elif change == "the weights":
        torch.manual_seed(1)
        encoder = build_encoder(CONFIG).eval()
    else:
        views = 2
    after = build(encoder, files, tmp_path, views=views, config=config)
    assert after.fingerprint != before.fingerprint
    fresh = cached_features(encoder, config, files, tmp_path / "fresh", views=views, batch_size=2)
    assert (after.grids == fresh.grids).all()


def test_an_unfinished_cache_is_not_used(encoder: nn.Module, files: list[Path], tmp_path: Path) -> None:
    good = build(encoder, files, tmp_path).grids.copy()
    broken = files[4].read_bytes()
    draw(99).save(files[1])
    files[4].write_bytes(b"not a picture")
    with pytest.raises(DataError, match=files[4].name):
        build(encoder, files, tmp_path)
    assert not (tmp_path / "cache" / "cache.json").exists()
    files[4].write_bytes(broken)
    again = build(encoder, files, tmp_path)
    assert (again.grids[0] == good[0]).all()
    assert (again.grids[1] != good[1]).any()


def test_views_are_crops_and_mirror_images_and_repeatable() -> None:
    image = draw(0, (60, 40))
    assert view(image, 0, 7) is image
    mirrored = view(image, 1, 7)
    assert mirrored.getpixel((0, 5)) == image.getpixel((59, 5))
    crop, again, other = view(image, 2, 7), view(image, 2, 7), view(image, 2, 8)
    assert crop.tobytes() == again.tobytes()
    assert crop.size != other.size
    assert 0.6 * 60 <= crop.width <= 60


def test_features_beyond_half_precision_are_refused(files: list[Path], tmp_path: Path) -> None:
    class Loud(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.tensor(1e6))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.gain * pixels.flatten(2).transpose(1, 2)

    with pytest.raises(FloatingPointError, match="tf_efficientnet_lite0: features beyond half precision"):
        build(Loud(), files, tmp_path)
    assert not (tmp_path / "cache" / "cache.json").exists()
