"""A network that can be compiled."""

from typing import Literal, NamedTuple

from torch import Tensor, nn


class Network(NamedTuple):
    """A module, and what it takes to compile it."""

    module: nn.Module
    """From tensors to a tensor, or to a tuple of them."""
    example: tuple[Tensor, ...]
    """Inputs. Their first dimensions may be any in later calls, the others are as here."""
    precision: Literal["bfloat16", "int8", "float32"] = "bfloat16"
    """Format of products, if the CPU has instructions for it; float32 otherwise. `int8` is for products with weights:
    all others are in float32 then."""
