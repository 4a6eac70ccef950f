"""Pictures to features: the configuration of preprocessing and encoder."""

from typing import Annotated, Literal

from pydantic import Field

from model.config import Config

Triple = tuple[float, float, float]


class PreprocessingConfig(Config):
    """From an RGB picture of any size to the encoder's (3, S, S) input."""

    size: Annotated[int, Field(ge=32, le=1024)] = 224
    """Side S of the square input, in pixels."""
    resize: Literal["squash", "crop"] = "squash"
    """`squash` ignores the aspect ratio; `crop` cuts a centred square, crop_fraction of the shorter side."""
    crop_fraction: Annotated[float, Field(gt=0, le=1)] = 0.875
    """Used by `crop` alone."""
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: Triple = (0.5, 0.5, 0.5)
    """Per-channel mean, for pixels scaled to 0..1."""
    std: Triple = (0.5, 0.5, 0.5)


class EncoderConfig(Config):
    """The convolutional network that turns a picture into a grid of features."""

    name: str = "tf_efficientnet_lite2"
    """`tf_efficientnet_lite{0,1,2}` (plain torch, ours), `timm/NAME` or `torchvision/NAME` (the `train` extra)."""
    preprocessing: PreprocessingConfig = PreprocessingConfig()
