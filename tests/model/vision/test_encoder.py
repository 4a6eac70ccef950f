"""The encoder against timm's, and the zoo behind the same face."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from model.vision.config import EncoderConfig
from model.vision.encoder import SCALES, EfficientNetLite, build_encoder


def randomize(module: nn.Module) -> None:
    """Gives the batch norms statistics as training would, since fresh ones do nothing."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for statistics, low, high in ((layer.running_mean, -0.1, 0.1), (layer.running_var, 0.5, 2.0)):
                assert statistics is not None
                nn.init.uniform_(statistics, low, high)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("size", [64, 75])  # 75 makes every strided convolution pad unevenly
def test_equals_timm(name: str, size: int) -> None:
    torch.manual_seed(0)
    theirs: Any = timm.create_model(name).eval()
    randomize(theirs)
    weights = {key: value for key, value in theirs.state_dict().items() if not key.startswith("classifier")}
    ours = EfficientNetLite(name).eval()
    assert list(ours.state_dict()) == list(weights)
    ours.load_state_dict(weights)
    pixels = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        expected = theirs.forward_features(pixels).flatten(2).transpose(1, 2)
        torch.testing.assert_close(ours(pixels), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("tf_efficientnet_lite0", 1280),
        ("timm/resnet18", 512),
        ("torchvision/resnet18", 512),
        ("timm/convnext_atto", 320),
    ],
)
def test_every_source_gives_a_grid(name: str, features: int) -> None:
    encoder = build_encoder(EncoderConfig(name=name)).eval()
    with torch.inference_mode():
        assert encoder(torch.zeros(2, 3, 64, 96)).shape == (2, 6, features)
    assert encoder.num_features == features


def test_batch_of_many_equals_batches_of_one() -> None:
    torch.manual_seed(0)
    encoder = EfficientNetLite("tf_efficientnet_lite0").eval()
    randomize(encoder)
    pixels = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        alone = torch.cat([encoder(picture[None]) for picture in pixels])
        torch.testing.assert_close(encoder(pixels), alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "unknown encoder 'resnet18': use one of"),
        ("timm/resnet1", "timm has no model 'resnet1'"),
        ("torchvision/resnet1", "torchvision has no classifier 'resnet1'"),
        ("torchvision/vit_b_16", "no convolutional trunk"),
    ],
)
def test_unknown_encoders_are_named(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_encoder(EncoderConfig(name=name))
