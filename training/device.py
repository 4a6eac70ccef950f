"""The device to compute on, and the precision that suits it."""

import torch

from model.openvino.precision import fast_dtype


def available_device() -> torch.device:
    """CUDA if there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(wanted: str) -> str:
    """The precision that Accelerate is given: `no` instead of `bf16` on a device that multiplies it more slowly."""
    return "no" if wanted == "bf16" and fast_dtype(available_device()) != torch.bfloat16 else wanted
