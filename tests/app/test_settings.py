"""Settings, and the checkpoints they point to."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from typer.testing import CliRunner

from app.cli import cli
from app.serving.registry import Registry, UnknownModelError, choose_device
from app.settings import Settings
from app.tasks import PREFERRED
from model.checkpoint import CheckpointError
from model.tasks.captioning import CAPTIONING
from model.tasks.text import TEXT
from recap import installation
from tests.conftest import ROOT


def shown(default: object) -> str:
    """A default, as the documents show it."""
    return "unset" if default is None else "none" if default == () else f"`{default}`"


def test_the_operations_page_has_every_setting() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `RECAP_(\w+)` \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(map(str.upper, Settings.model_fields))
    for name, default, what in rows:
        field = Settings.model_fields[name.lower()]
        assert default == shown(field.default), name
        assert what == " ".join((field.description or "").split()), name


@pytest.mark.parametrize(
    "document", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name
)
def test_documents_name_settings_that_there_are(document: Path) -> None:
    named = set(re.findall(r"\bRECAP_([A-Z_]+)\b", document.read_text(encoding="utf-8"))) - {"DATA"}  # of the tests
    assert named <= set(map(str.upper, Settings.model_fields))


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAP_PORT", "9000")
    monkeypatch.setenv("RECAP_CHECKPOINTS", "/models")
    monkeypatch.setenv("RECAP_MAX_PIXELS", "1000")
    settings = Settings(max_pixels=2000)
    assert (settings.port, settings.checkpoints, settings.max_pixels) == (9000, Path("/models"), 2000)
    monkeypatch.setenv("RECAP_DEVICE", "toaster")
    with pytest.raises(ValidationError, match="'auto', 'cpu' or 'cuda'"):
        Settings()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("RECAP_API_KEY", "RECAP_API_KEYS"),
        ("RECAP_PROT", "RECAP_PORT"),
        ("recap_loglevel", "RECAP_LOG_LEVEL"),
        ("RECAP_MAX_BODY", "RECAP_MAX_BODY_BYTES"),
    ],
)
def test_a_mistaken_name_is_not_passed_over(monkeypatch: pytest.MonkeyPatch, variable: str, meant: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ValidationError, match=rf"{variable}: no such setting; did you mean {meant}\?"):
        Settings()
    told = CliRunner().invoke(cli, ["serve"])
    assert (told.exit_code, told.stderr) == (2, f"error: {variable}: no such setting; did you mean {meant}?\n")


@pytest.mark.parametrize(
    "variable", ["RECAP_DATA", "RECAP_KEY", "RECAP_SERVICE_HOST", "RECAP_PORT_8000_TCP_ADDR", "RECAP"]
)
def test_variables_of_others_are_none_of_ours(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "tcp://10.0.0.1:8000")
    Settings()


def test_defaults_are_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAP_DEFAULTS", "captioning=flickr8k, text=latex")
    assert Settings().defaults == {"captioning": "flickr8k", "text": "latex"}
    monkeypatch.setenv("RECAP_DEFAULTS", "flickr8k")
    with pytest.raises(ValidationError, match="write TASK=MODEL"):
        Settings()


def test_the_default_limits_are_the_documented_ones() -> None:
    settings = Settings()
    assert (settings.max_body_bytes, settings.max_pixels) == (20_000_000, 64_000_000)


def rename(checkpoint: Path, name: str, task: str = "image-to-text") -> None:
    manifest = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**manifest, "name": name, "task": task}))


def test_models_are_found_by_name(tiny_checkpoint: Path) -> None:
    folder = tiny_checkpoint.parent
    for name in ("zebra", "flickr8k-coco"):
        shutil.copytree(tiny_checkpoint, folder / name)
        rename(folder / name, name)
    (folder / ".unfinished").mkdir()
    (folder / "notes.txt").write_text("not a checkpoint")
    registry = Registry.open(folder, preferred=PREFERRED)
    assert sorted(registry.checkpoints) == ["flickr8k-coco", "tiny", "zebra"]
    assert registry.find(CAPTIONING, None).name == "flickr8k-coco"
    assert registry.find(CAPTIONING, "zebra").path == folder / "zebra"
    assert Registry.open(folder, {"captioning": "tiny"}).find(CAPTIONING, None).name == "tiny"
    with pytest.raises(UnknownModelError, match=r"'nobody'; there is flickr8k-coco, tiny, zebra"):
        registry.find(CAPTIONING, "nobody")
    with pytest.raises(CheckpointError, match="captioning=nobody"):
        Registry.open(folder, {"captioning": "nobody"})
    with pytest.raises(CheckpointError, match="defaults: captions: no such task; there are captioning, text"):
        Registry.open(folder, {"captions": "tiny"})
    shutil.rmtree(folder / "flickr8k-coco")
    assert Registry.open(folder, preferred=PREFERRED).find(CAPTIONING, None).name == "tiny"
    rename(folder / "zebra", "tiny")
    with pytest.raises(CheckpointError, match="both named tiny"):
        Registry.open(folder)


def test_each_kind_of_model_has_its_own_default(tiny_checkpoint: Path, tiny_language_checkpoint: Path) -> None:
    folder = tiny_checkpoint.parent
    for name in ("alice", "shakespeare"):
        shutil.copytree(tiny_language_checkpoint, folder / name)
        rename(folder / name, name, "text-generation")
    registry = Registry.open(folder, preferred=PREFERRED)
    assert registry.find(CAPTIONING, None).name == "tiny"
    assert registry.find(TEXT, None).name == "shakespeare"
    assert registry.defaults == {"captioning": "tiny", "text": "shakespeare"}
    assert Registry.open(folder, {"text": "tiny-text"}).find(TEXT, None).name == "tiny-text"
    shutil.rmtree(folder / "shakespeare")
    registry = Registry.open(folder, preferred=PREFERRED)
    assert registry.find(TEXT, None).name == "alice"
    with pytest.raises(
        UnknownModelError, match=r"tiny is a captioner, .* language model .*; there is alice, tiny-text"
    ):
        registry.find(TEXT, "tiny")
    with pytest.raises(UnknownModelError, match=r"alice is a language model, a captioner is needed; there is tiny$"):
        registry.find(CAPTIONING, "alice")
    with pytest.raises(CheckpointError, match=r"defaults: text=tiny: .* has language models: alice, tiny-text"):
        Registry.open(folder, {"text": "tiny"})
    with pytest.raises(CheckpointError, match=r"defaults: captioning=alice: .* has captioners: tiny"):
        Registry.open(folder, {"captioning": "alice"})


def test_a_folder_may_lack_a_kind_of_model(tiny_language_checkpoint: Path) -> None:
    registry = Registry.open(tiny_language_checkpoint.parent)
    assert registry.find(TEXT, None).name == "tiny-text"
    with pytest.raises(UnknownModelError, match=r"^no captioner is here$"):
        registry.find(CAPTIONING, None)
    with pytest.raises(CheckpointError, match=r"defaults: captioning=flickr8k: .* has no captioner"):
        Registry.open(tiny_language_checkpoint.parent, {"captioning": "flickr8k"})


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


def test_checkpoints_are_those_of_the_setting_then_of_the_folder_then_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    carried = tmp_path / "installed" / "recap" / "checkpoints"
    monkeypatch.setattr(installation, "ROOT", tmp_path / "installed")
    with pytest.raises(ValueError, match=f"neither {tmp_path}/checkpoints nor .* --checkpoints or RECAP_CHECKPOINTS"):
        Settings().checkpoint_folder()
    told = CliRunner().invoke(cli, ["models"])
    assert (told.exit_code, told.stderr.count("\n")) == (2, 1)
    assert "no checkpoints: neither" in told.stderr
    carried.mkdir(parents=True)
    assert Settings().checkpoint_folder() == carried
    (tmp_path / "checkpoints").mkdir()
    assert Settings().checkpoint_folder().absolute() == tmp_path / "checkpoints"
    assert Settings(checkpoints=Path("elsewhere")).checkpoint_folder() == Path("elsewhere")
