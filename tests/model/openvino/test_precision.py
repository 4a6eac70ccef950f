import pytest
import torch

from model.openvino.precision import autocast, fast_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx2": True}, torch.float32),
        ({"avx2": True, "avx512_f": True}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_bfloat16_is_for_cpus_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert fast_dtype(CPU) == dtype
    with autocast(CPU):
        assert (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype == dtype
    with autocast(CPU, wanted=False):
        assert (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype == torch.float32


def test_what_is_fast_here_has_an_lstm() -> None:
    lstm = torch.nn.LSTM(8, 8)
    with autocast(CPU):
        assert lstm(torch.zeros(3, 1, 8))[0].dtype == fast_dtype(CPU)
