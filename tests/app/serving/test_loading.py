"""Where networks run: OpenVINO where it can be had, torch elsewhere, clear words where it must be and can't."""

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from app.cli import cli
from app.serving.loading import LANES, Loader
from app.settings import Settings
from model.checkpoint import Checkpoint, CheckpointError
from model.openvino.lanes import can_share
from model.openvino.runtime import Runtime
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig

needs_openvino = pytest.mark.skipif(not Runtime.available(), reason="OpenVINO is not installed")


def opened(folder: Path) -> Checkpoint[CaptionerConfig, Captioner]:
    checkpoint = Checkpoint.open(folder / "tiny")
    assert checkpoint.task is CAPTIONING
    return checkpoint


@needs_openvino
def test_captioners_are_compiled_where_they_can_be(checkpoints: Path, served: Captioner, picture: Image.Image) -> None:
    captioner = Loader(Settings(device="cpu", threads=1)).load(opened(checkpoints))
    assert can_share(captioner)
    assert captioner.caption([picture])[0][0].text == served.caption([picture])[0][0].text


@needs_openvino
@pytest.mark.parametrize(
    ("options", "lanes"), [({"threads": 1}, 1), ({"threads": 2}, LANES), ({"threads": 2, "runtime": "torch"}, 1)]
)
def test_there_are_lanes_where_there_are_cores_for_them(options: dict[str, Any], lanes: int) -> None:
    assert Loader(Settings.model_validate({"device": "cpu", **options})).lanes == lanes


def test_torch_when_asked_for(checkpoints: Path) -> None:
    captioner = Loader(Settings(device="cpu", runtime="torch")).load(opened(checkpoints))
    assert not can_share(captioner)


def test_torch_where_openvino_is_missing(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as good as not installed
    with caplog.at_level(logging.INFO):
        captioner = Loader(Settings(device="cpu")).load(opened(checkpoints))
    assert not can_share(captioner)
    assert "pip install 'recap-captioner[fast]'" in caplog.text
    with pytest.raises(ValueError, match="runtime=openvino: OpenVINO is not installed"):
        Loader(Settings(device="cpu", runtime="openvino"))


@needs_openvino
def test_torch_where_openvino_cannot_do_it(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loader = Loader(Settings(device="cpu", cache=tmp_path))

    def convert(*_: Any, **__: Any) -> None:
        raise RuntimeError("No conversion rule found for aten::curious")

    monkeypatch.setattr("openvino.convert_model", convert)
    assert not can_share(loader.load(opened(checkpoints)))
    assert "tiny can't be compiled" in caplog.text
    assert "aten::curious" in caplog.text


@needs_openvino
def test_torch_has_one_thread_beside_openvino_and_all_where_it_runs_a_model(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        loader = Loader(Settings(device="cpu", cache=tmp_path))
        loader.load(opened(checkpoints))
        assert torch.get_num_threads() == 1
        in_torch = replace(opened(checkpoints), task=replace(CAPTIONING, networks=None))
        assert not can_share(loader.load(in_torch))
        assert torch.get_num_threads() == 1  # a task that runs in torch takes nothing from the others
        monkeypatch.setattr("openvino.Core.compile_model", None)  # so that the next can't be compiled
        loader.load(opened(checkpoints))
        assert torch.get_num_threads() == 3
        Loader(Settings(device="cpu", runtime="torch", threads=2)).load(opened(checkpoints))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@needs_openvino
def test_a_damaged_checkpoint_is_an_error_even_when_it_is_cached(tiny_checkpoint: Path) -> None:
    checkpoint = opened(tiny_checkpoint.parent)
    loader = Loader(Settings(device="cpu", threads=1))
    loader.load(checkpoint)
    weights = tiny_checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: sha256"):
        loader.load(checkpoint)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_openvino_is_for_the_cpu() -> None:
    with pytest.raises(ValueError, match="runtime=openvino is for the CPU"):
        Loader(Settings(device="cuda", runtime="openvino"))


@needs_openvino
def test_recap_compile_fills_the_cache(both_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAP_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(cli, ["compile", "--checkpoints", str(both_checkpoints)])
    assert result.exit_code == 0, result.output
    assert "tiny: " in result.output
    assert "tiny-text: " in result.output
    assert result.output.endswith(f"kept in {tmp_path / 'cache'}\n")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    result = CliRunner().invoke(cli, ["compile", "--checkpoints", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "no such folder" in result.output
