"""Encoders from timm and torchvision, behind the same face as our own: (B, 3, S, S) -> grid (B, P, E).

Nothing that serves the default checkpoint imports this module; it needs the `train` extra.
"""

import importlib
from types import ModuleType

import torch
from torch import Tensor, nn

from model.vision.encoder import SCALES


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"this encoder needs {name}: pip install 'recap-captioner[train]'") from error


class TimmEncoder(nn.Module):
    """Any timm network whose features are a map, its classifier removed."""

    def __init__(self, name: str, *, pretrained: bool = False) -> None:
        super().__init__()
        timm = _library("timm")
        if not timm.is_model(name):
            raise ValueError(f"timm has no model {name!r}; timm.list_models() names those it has")
        self.trunk = timm.create_model(name, pretrained=pretrained, num_classes=0, global_pool="")
        self.num_features: int = self.trunk.num_features

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.trunk.forward_features(pixels)
        if features.ndim != 4 or features.shape[1] != self.num_features:
            raise ValueError(
                f"features of shape {tuple(features.shape)}: a map (B, {self.num_features}, rows, columns) is needed"
            )
        return features.flatten(2).transpose(1, 2)  # (B, P, E)


class TorchvisionEncoder(nn.Module):
    """A torchvision classifier up to its last feature map."""

    def __init__(self, name: str, *, pretrained: bool = False) -> None:
        super().__init__()
        models = _library("torchvision.models")
        if name not in models.list_models(module=models):
            raise ValueError(f"torchvision has no classifier {name!r}; torchvision.models.list_models() names them")
        network = models.get_model(name, weights="DEFAULT" if pretrained else None)
        if hasattr(network, "features"):  # ConvNeXt, EfficientNet, MobileNet, DenseNet, VGG
            self.trunk = network.features
        elif hasattr(network, "layer4"):  # the ResNets: all but pooling and classifier
            self.trunk = nn.Sequential(*list(network.children())[:-2])
        else:
            raise ValueError(f"torchvision's {name!r} has no convolutional trunk that gives a feature map")
        with torch.inference_mode():
            self.num_features = int(self.trunk.eval()(torch.zeros(1, 3, 64, 64)).shape[1])

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.trunk(pixels)
        return features.flatten(2).transpose(1, 2)  # (B, P, E)


def build_zoo_encoder(name: str, *, pretrained: bool = False) -> nn.Module:
    """The network of `timm/NAME` or `torchvision/NAME`, with random weights or the library's own download.

    Raises:
        ValueError: a name neither library has, or the library is not installed.
    """
    library, _, model_name = name.partition("/")
    if library == "timm":
        return TimmEncoder(model_name, pretrained=pretrained)
    if library == "torchvision":
        return TorchvisionEncoder(model_name, pretrained=pretrained)
    raise ValueError(f"unknown encoder {name!r}: use one of {', '.join(SCALES)}, timm/NAME or torchvision/NAME")
