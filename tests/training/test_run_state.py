"""The state of a run on disk, and the signals that ask for it."""

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from training.run_state import (
    Progress,
    StateError,
    interruptible,
    load_optimizer_tensors,
    load_state,
    optimizer_tensors,
    save_state,
)


def test_state_round_trip_with_an_optimizer(tmp_path: Path) -> None:
    def make() -> tuple[nn.Linear, torch.optim.AdamW]:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)

    def train(layer: nn.Linear, optimizer: torch.optim.AdamW, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            layer(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    whole, optimizer = make()
    train(whole, optimizer, 6)
    first, optimizer = make()
    train(first, optimizer, 3)
    tensors = {f"layer.{name}": value for name, value in first.state_dict().items()}
    save_state(tmp_path / "state.safetensors", tensors | optimizer_tensors(optimizer), Progress("{}", step=3))

    second, optimizer = make()
    loaded, progress = load_state(tmp_path / "state.safetensors")
    assert progress == Progress("{}", step=3)
    second.load_state_dict({name: loaded.pop(f"layer.{name}") for name in second.state_dict()})
    load_optimizer_tensors(optimizer, loaded)
    train(second, optimizer, 3)
    assert torch.equal(second.weight, whole.weight)
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_broken_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"half")
    with pytest.raises(StateError, match=r"state\.safetensors"):
        load_state(tmp_path / "state.safetensors")


def test_state_of_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file({"weight": torch.zeros(1)}, path, {"progress": '{"recipe": "{}", "batch": 3}'})
    with pytest.raises(StateError, match=r"state\.safetensors: another version of Recap wrote this state"):
        load_state(path)


def test_signals_become_requests_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible() as signals:
        assert not signals
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == before
