"""Encoder weights from where the recipe says."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from model.tasks.captioning.captioner import Captioner
from model.vision.config import EncoderConfig
from model.vision.encoder import SCALES
from training.tasks.captioning.backbone import BackboneError, pretrained_encoder

LITE0 = EncoderConfig(name="tf_efficientnet_lite0")


def grid(encoder: nn.Module) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.inference_mode():
        return encoder(torch.randn(1, 3, 64, 64))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", SCALES)
def test_package_weights_fit(name: str) -> None:
    encoder = pretrained_encoder(EncoderConfig(name=name), "package")
    assert not encoder.training
    features = grid(encoder)
    assert 0 < float(features.mean()) < 1  # trained features are sparse; those of fresh weights are not bounded so
    assert float((features == 0).float().mean()) > 0.5


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_file_weights_fit_by_name(tmp_path: Path, suffix: str) -> None:
    theirs = timm.create_model(LITE0.name)
    path = tmp_path / f"weights.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(theirs.state_dict(), path)
    ours = pretrained_encoder(LITE0, str(path))
    assert torch.equal(ours.state_dict()["conv_head.weight"], theirs.state_dict()["conv_head.weight"])


def test_the_encoder_of_a_checkpoint(tiny_checkpoint: Path, tiny_captioner: Captioner) -> None:
    ours = pretrained_encoder(LITE0, str(tiny_checkpoint)).state_dict()
    for name, tensor in tiny_captioner.encoder.state_dict().items():
        assert torch.equal(ours[name], tensor.half().float() if tensor.is_floating_point() else tensor), name


def test_weights_that_are_not_there_or_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="no package carries weights for timm/resnet18"):
        pretrained_encoder(EncoderConfig(name="timm/resnet18"), "package")
    with pytest.raises(BackboneError, match=r"none\.pth: no such file; weights is 'package', 'hub', 'random'"):
        pretrained_encoder(LITE0, str(tmp_path / "none.pth"))
    (tmp_path / "bad.pth").write_bytes(b"bad")
    with pytest.raises(BackboneError, match=r"bad\.pth: not a state dict"):
        pretrained_encoder(LITE0, str(tmp_path / "bad.pth"))
    save_file(timm.create_model("tf_efficientnet_lite2").state_dict(), tmp_path / "lite2.safetensors")
    with pytest.raises(BackboneError, match=r"no fitting tensor for blocks\.\S+, .* and \d+ more"):
        pretrained_encoder(LITE0, str(tmp_path / "lite2.safetensors"))
