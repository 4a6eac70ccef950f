"""Products in 8 bits: what they lose, and what they must not."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.openvino import quantization
from model.openvino.program import Network, Program
from model.openvino.runtime import Runtime

pytestmark = [
    pytest.mark.skipif(not Runtime.available(), reason="OpenVINO is not installed"),
    pytest.mark.skipif(not quantization.available(), reason="this CPU has no instructions for 8 bits"),
]


def compiled(linear: nn.Linear, runtime: Runtime | None = None) -> Program:
    network = Network(linear, (torch.zeros(2, linear.in_features),), precision="int8")
    return (runtime or Runtime(threads=1)).programs("linear", lambda: {"linear": network})["linear"]


def relative_error(linear: nn.Linear, inputs: Tensor, program: Program) -> float:
    expected = linear(inputs).detach()
    return float((program(inputs)[0] - expected).norm() / expected.norm())


@pytest.mark.parametrize("inputs", [128, 300, 1536])
def test_a_product_is_close(inputs: int) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(inputs, 70)
    with torch.no_grad():
        linear.weight *= torch.logspace(-3, 3, 70)[:, None]  # each output is scaled by itself
    error = relative_error(linear, torch.randn(9, inputs), compiled(linear))
    assert 1e-4 < error < 0.015  # taken in 8 bits, and no worse than they are


def test_narrow_products_stay_as_they_are() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(127, 70)
    assert relative_error(linear, torch.randn(9, 127), compiled(linear)) < 1e-5


def test_an_output_without_weights_stays_zero() -> None:
    linear = nn.Linear(256, 3, bias=False)
    with torch.no_grad():
        linear.weight[1] = 0.0
    (found,) = compiled(linear)(torch.randn(4, 256))
    assert not found[:, 1].any()
    assert found[:, ::2].all()


def test_rows_do_not_depend_on_each_other() -> None:
    """However large what stands beside them."""
    torch.manual_seed(0)
    linear = nn.Linear(512, 70)
    program, inputs = compiled(linear), torch.randn(32, 512) * torch.logspace(-2, 2, 32)[:, None]
    (together,) = program(inputs)
    for width in (1, 2, 3, 5, 8, 17):
        (part,) = program(inputs[-width:])
        assert torch.equal(part, together[-width:])


def test_a_cache_keeps_both_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    linear, inputs = nn.Linear(512, 70), torch.randn(9, 512)
    quick, exact = Runtime(tmp_path, threads=1), Runtime(tmp_path, threads=1, precision="float32")
    first, single, again = (
        relative_error(linear, inputs, compiled(linear, runtime)) for runtime in (quick, exact, quick)
    )
    assert single < 1e-5
    assert again == first > 1e-4
    assert len(list(tmp_path.iterdir())) == 1  # one for all CPUs
