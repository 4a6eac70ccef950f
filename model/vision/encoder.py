"""EfficientNet-Lite in plain torch: the default encoder, so that serving needs neither timm nor torchvision.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), in the "lite" form of the
TensorFlow authors: no squeeze-and-excitation, ReLU6, stem and head not scaled. Parameter names are those of timm's
`tf_efficientnet_lite{0,1,2}`, so that their ImageNet weights load by name.
"""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from model.vision.config import EncoderConfig

# (kernel, stride, expansion, channels, repeats) of each stage before scaling: the paper's table 1.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# name -> (width multiplier, depth multiplier)
SCALES = {"tf_efficientnet_lite0": (1.0, 1.0), "tf_efficientnet_lite1": (1.0, 1.1), "tf_efficientnet_lite2": (1.1, 1.2)}


def _scale_channels(channels: int, width: float) -> int:
    """The nearest multiple of 8, but never more than 10 % below what was asked for."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME does: on an odd total, the extra row and column go last."""

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (
            max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        )
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return super().forward(x)


def _conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:  # symmetric, so torch's own padding does the same and costs no copy
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class SeparableConv(nn.Module):
    """Depthwise, then pointwise convolution: the first stage, which expands nothing."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = _conv(inputs, inputs, kernel, groups=inputs)
        self.bn1 = _norm(inputs)
        self.conv_pw = _conv(inputs, outputs)
        self.bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.bn1(self.conv_dw(x)))
        return self.bn2(self.conv_pw(x))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project back (Sandler et al., "MobileNetV2", 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        expanded = inputs * expansion
        self.conv_pw = _conv(inputs, expanded)
        self.bn1 = _norm(expanded)
        self.conv_dw = _conv(expanded, expanded, kernel, stride, groups=expanded)
        self.bn2 = _norm(expanded)
        self.conv_pwl = _conv(expanded, outputs)
        self.bn3 = _norm(outputs)
        self.has_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.has_residual else y


class EfficientNetLite(nn.Module):
    """Pictures (B, 3, S, S) to a grid of features (B, P, E), P = (ceil(S / 32)) ** 2 and E = 1280, values in 0..6."""

    num_features = 1280

    def __init__(self, name: str) -> None:
        super().__init__()
        width, depth = SCALES[name]
        self.conv_stem = _conv(3, 32, 3, stride=2)
        self.bn1 = _norm(32)
        channels = 32
        stages: list[nn.Module] = []
        for index, (kernel, stride, expansion, base, repeats) in enumerate(STAGES):
            outputs = _scale_channels(base, width)
            if 0 < index < len(STAGES) - 1:  # "lite" scales the depth of the inner stages only
                repeats = math.ceil(repeats * depth)
            blocks: list[nn.Module] = []
            for _ in range(repeats):
                if expansion == 1:
                    blocks.append(SeparableConv(channels, outputs, kernel))
                else:
                    blocks.append(InvertedResidual(channels, outputs, kernel, stride, expansion))
                channels, stride = outputs, 1  # from the second block on
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _conv(channels, self.num_features)
        self.bn2 = _norm(self.num_features)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.trunk(self.stem(pixels))

    def stem(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) to the first stage's output (B, 16, S/2, S/2)."""
        x: Tensor = F.relu6(self.bn1(self.conv_stem(pixels)))  # (B, 32, S/2, S/2)
        return self.blocks[0](x)  # type: ignore[no-any-return]

    def trunk(self, x: Tensor) -> Tensor:
        """From there to the grid (B, P, E)."""
        for stage in self.blocks[1:]:
            x = stage(x)  # (B, C, S/32, S/32) in the end
        x = F.relu6(self.bn2(self.conv_head(x)))  # (B, E, S/32, S/32)
        return x.flatten(2).transpose(1, 2)  # (B, P, E)


def build_encoder(config: EncoderConfig) -> nn.Module:
    """The encoder `config.name` names, with random weights: a module (B, 3, S, S) -> (B, P, E) with `num_features` E.

    Raises:
        ValueError: a name that nothing provides, or whose library is not installed.
    """
    if config.name in SCALES:
        return EfficientNetLite(config.name)
    from model.vision import zoo  # timm and torchvision load here, and only when a checkpoint asks for them

    return zoo.build_zoo_encoder(config.name)
