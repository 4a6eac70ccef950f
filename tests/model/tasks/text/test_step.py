"""A step of a block against the model itself."""

import pytest
import torch

from model.cells import CELLS
from model.openvino.runtime import Runtime
from model.tasks.text.language import LanguageModel
from model.tasks.text.networks import CompiledBlock
from model.tasks.text.step import build_stepper
from tests.model.conftest import compiled, random_model


def compiled_block(model: LanguageModel, runtime: Runtime) -> CompiledBlock:
    """For three texts that have not begun."""
    block = build_stepper(compiled(model, model.config.cell, runtime), None).block(3)
    assert isinstance(block, CompiledBlock)
    return block


@pytest.mark.parametrize("kind", CELLS)
def test_compiled_logits_are_those_of_torch(kind: str, runtime: Runtime) -> None:
    model = random_model(cell=kind, sharpness=1, embedding_size=5 if kind == "gru" else 0, hidden_size=40)
    block = compiled_block(model, runtime)
    tokens = torch.randint(len(model.vocabulary), (3, 20))
    with torch.inference_mode():
        expected, _ = model(tokens)  # (N, T, V)
        for row in range(3):
            block.put(row, None)
        for time in range(tokens.shape[1]):
            found = block.step(tokens[:, time], 3)  # (N, V)
            torch.testing.assert_close(found, expected[:, time], atol=1e-4, rtol=0)


@pytest.mark.skipif(not Runtime.available(), reason="OpenVINO is not installed")
@pytest.mark.parametrize("kind", [kind for kind in CELLS if not kind.startswith("rnn")])
def test_a_compiled_state_stays_in_single_precision(kind: str) -> None:
    """Products may be in bfloat16, as they are on a CPU that has it; what is carried along beside them is not."""
    model = random_model(cell=kind, sharpness=1, hidden_size=40)
    block = compiled_block(model, Runtime(threads=1))
    tokens = torch.randint(len(model.vocabulary), (3, 100))
    with torch.inference_mode():
        expected, _ = model(tokens)  # (N, T, V)
        for time in range(tokens.shape[1]):
            found = block.step(tokens[:, time], 3)  # (N, V)
    torch.testing.assert_close(found, expected[:, -1], atol=0.02, rtol=0)
    assert (block.state != block.state.bfloat16()).float().mean() > 0.9
