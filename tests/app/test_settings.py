"""Settings, and the checkpoints they point to."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from app.registry import Registry, UnknownModelError, choose_device
from app.settings import Settings
from model.checkpoint import CheckpointError


def test_every_setting_says_what_it_does() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert len(field.description) > 20, name


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAP_PORT", "9000")
    monkeypatch.setenv("RECAP_CHECKPOINTS", "/models")
    monkeypatch.setenv("RECAP_MAX_PIXELS", "1000")
    settings = Settings(max_pixels=2000)
    assert (settings.port, settings.checkpoints, settings.max_pixels) == (9000, Path("/models"), 2000)
    monkeypatch.setenv("RECAP_DEVICE", "toaster")
    with pytest.raises(ValidationError, match="'auto', 'cpu' or 'cuda'"):
        Settings()


def test_the_default_limits_are_the_documented_ones() -> None:
    settings = Settings()
    assert (settings.max_body_bytes, settings.max_pixels) == (20_000_000, 50_000_000)


def rename(checkpoint: Path, name: str, task: str = "image-to-text") -> None:
    manifest = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**manifest, "name": name, "task": task}))


def test_models_are_found_by_name(tiny_checkpoint: Path) -> None:
    folder = tiny_checkpoint.parent
    for name in ("zebra", "flickr8k"):
        shutil.copytree(tiny_checkpoint, folder / name)
        rename(folder / name, name)
    (folder / ".unfinished").mkdir()
    (folder / "notes.txt").write_text("not a checkpoint")
    registry = Registry.open(folder)
    assert sorted(registry.checkpoints) == ["flickr8k", "tiny", "zebra"]
    assert registry.default == "flickr8k"
    assert registry.find(None).name == "flickr8k"
    assert registry.find("zebra").path == folder / "zebra"
    assert Registry.open(folder, "tiny").find(None).name == "tiny"
    with pytest.raises(UnknownModelError, match=r"'nobody'; there is flickr8k, tiny, zebra"):
        registry.find("nobody")
    with pytest.raises(CheckpointError, match="default_model=nobody"):
        Registry.open(folder, "nobody")
    shutil.rmtree(folder / "flickr8k")
    assert Registry.open(folder).default == "tiny"
    rename(folder / "zebra", "tiny")
    with pytest.raises(CheckpointError, match="both named tiny"):
        Registry.open(folder)


def test_a_broken_checkpoint_is_named(tiny_checkpoint: Path) -> None:
    folder = tiny_checkpoint.parent
    (folder / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"empty/config\.json: no such file"):
        Registry.open(folder)
    (folder / "empty" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"empty/config\.json"):
        Registry.open(folder)


def test_a_folder_without_checkpoints_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in it"):
        Registry.open(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder"):
        Registry.open(tmp_path / "nowhere")


def test_the_device_is_the_best_there_is() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto") == torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            choose_device("cuda")
