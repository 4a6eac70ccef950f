"""The number format that a device multiplies fastest."""

from contextlib import AbstractContextManager

import torch


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it faster than float32; else float32.

    A CPU without instructions for it takes many times as long, and oneDNN has no LSTM in it for one without AVX-512.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capabilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else torch.float32


def autocast(device: torch.device, *, wanted: bool = True) -> AbstractContextManager[object]:
    """Products in bfloat16 within, if wanted and faster; else in single precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and fast_dtype(device) == torch.bfloat16)
