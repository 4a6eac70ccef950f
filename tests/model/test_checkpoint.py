"""Checkpoints: whole or not there, and clear about what is wrong with them."""

import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from model import checkpoint as module
from model.checkpoint import Checkpoint, CheckpointError, file_sha256, save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from tests.conftest import FullDisk


@pytest.fixture
def saved(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "nest" / "copy"))


def test_round_trip(tiny_captioner: Captioner, tmp_path: Path, picture: Image.Image) -> None:
    written = save(
        tmp_path / "new" / "tiny", CAPTIONING, tiny_captioner, name="tiny", metrics={"CIDEr": 0.5}, card="# Tiny"
    )
    opened = Checkpoint.open(tmp_path / "new" / "tiny")
    assert (opened.name, opened.task, opened.metrics) == ("tiny", CAPTIONING, {"CIDEr": 0.5})
    assert opened.config == tiny_captioner.config
    assert opened.sha256 == written.sha256 == file_sha256(opened.path / "model.safetensors")
    assert {file.name for file in opened.path.iterdir()} == {
        "config.json", "model.safetensors", "vocabulary.json", "metrics.json", "README.md",
    }  # fmt: skip
    assert {file.stat().st_mode & 0o777 for file in opened.path.iterdir()} == {0o644}
    captioner = opened.load()
    assert not captioner.training
    assert captioner.vocabulary == tiny_captioner.vocabulary
    for name, weight in tiny_captioner.state_dict().items():
        assert torch.equal(captioner.state_dict()[name], weight.half().to(weight.dtype))
    assert captioner.caption([picture])[0][0].text


def test_saving_again_replaces_and_leaves_nothing_behind(tiny_captioner: Captioner, saved: Path) -> None:
    save(saved, CAPTIONING, tiny_captioner, name="second", metrics={}, card="")
    assert Checkpoint.open(saved).name == "second"
    assert [entry.name for entry in saved.parent.iterdir()] == ["copy"]


def test_a_failed_save_leaves_the_old_checkpoint(
    tiny_captioner: Captioner, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError("no space left on device")

    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(OSError, match="no space"):
        save(saved, CAPTIONING, tiny_captioner, name="second", metrics={}, card="")
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    assert [entry.name for entry in saved.parent.iterdir()] == ["copy"]


def truncate(path: Path) -> None:
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def tamper(path: Path) -> None:
    weights = path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)


def edit(path: Path, **changes: object) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


def other_architecture(path: Path) -> None:
    config = json.loads((path / "config.json").read_text())
    config["model"]["decoder"]["hidden_size"] += 1
    edit(path, **config)


def without_a_tensor(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    del tensors["decoder.output.bias"]
    save_file(tensors, path / "model.safetensors")
    sign(path, "model.safetensors")


def sign(path: Path, name: str) -> None:
    """Gives a file that was changed the digest that it has now."""
    config = json.loads((path / "config.json").read_text())
    edit(path, sha256={**config["sha256"], name: file_sha256(path / name)})


def with_words(path: Path, words: str) -> None:
    (path / "vocabulary.json").write_text(words)
    sign(path, "vocabulary.json")


def with_size(path: Path, key: str, size: int) -> None:
    config = json.loads((path / "config.json").read_text())
    config["model"]["decoder"][key] = size
    edit(path, **config)


def pipe(path: Path, name: str) -> None:
    (path / name).unlink()
    os.mkfifo(path / name)


def endless(path: Path, name: str) -> None:
    (path / name).unlink()
    (path / name).symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, r"model\.safetensors: sha256 is"),
        (tamper, r"model\.safetensors: sha256 is"),
        (lambda path: (path / "model.safetensors").unlink(), r"model\.safetensors: no such file"),
        (lambda path: (path / "vocabulary.json").write_text("[]"), r"vocabulary\.json: sha256 is"),
        (lambda path: (path / "config.json").unlink(), r"config\.json: no such file"),
        (
            lambda path: (path / "config.json").write_text("{"),
            r"config\.json: not read as JSON: EOF while parsing an object",
        ),
        (
            lambda path: edit(path, task="juggling"),
            r"config\.json: task: 'juggling' is none of 'image-to-text'",
        ),
        (
            lambda path: edit(path, colour="red"),
            r"config\.json: colour: no such key is known; was it written by",
        ),
        (lambda path: edit(path, sha256={}), r"config\.json: sha256: no digest for model\.safetensors"),
        (lambda path: (path / "metrics.json").write_text("{"), r"metrics\.json: "),
        (other_architecture, r"model\.safetensors: decoder\.\S+ is \(.*\) instead of \(.*\); .* and \d+ more"),
        (without_a_tensor, r"model\.safetensors: decoder\.output\.bias is missing"),
        (lambda path: with_size(path, "hidden_size", 10**9), r"config\.json: model: "),
        (lambda path: with_size(path, "hidden_size", 10**30), r"config\.json: model: "),
        (lambda path: with_size(path, "embedding_size", 10**12), r"model\.safetensors: decoder\.\S+ is .* instead of"),
        (lambda path: with_size(path, "attention_size", 2**62), r"config\.json: model: |model\.safetensors: decoder"),
        (lambda path: with_words(path, "[1, 2]"), r"vocabulary\.json: a vocabulary is a list of words"),
        (lambda path: with_words(path, '[["<pad>"]]'), r"vocabulary\.json: a vocabulary is a list of words"),
        (lambda path: with_words(path, "null"), r"vocabulary\.json: a vocabulary is a list of words"),
        (lambda path: with_words(path, '{"<pad>": 0}'), r"vocabulary\.json: a vocabulary is a list of words"),
        (lambda path: with_words(path, "[" * 10**5), r"vocabulary\.json: .*recursion"),
        (
            lambda path: with_words(path, '["<pad>", "<bos>", "<eos>", "<unk>", "\\ud800"]'),
            r"vocabulary\.json: .*hex escape",
        ),
        (lambda path: (path / "metrics.json").write_text('{"a":' * 10**5), r"metrics\.json: .*recursion"),
        (lambda path: (path / "metrics.json").write_text("[" * 300 + "]" * 300), r"metrics\.json: .*recursion"),
        (lambda path: (path / "metrics.json").write_text("[]"), r"metrics\.json: an object is needed"),
        (lambda path: (path / "config.json").write_text("[" * 10**5), r"config\.json: .*recursion"),
        (lambda path: edit(path, name="../../x"), r"config\.json: name: .*'\.\./\.\./x': a name"),
        (lambda path: edit(path, name="a\nb"), r"config\.json: name: .*'a\\nb': a name"),
        (lambda path: edit(path, name=".."), r"config\.json: name: "),
        (lambda path: edit(path, name="a\\b"), r"config\.json: name: "),
        (lambda path: edit(path, name="a\u2028b"), r"config\.json: name: "),
        (lambda path: edit(path, name="\x1b[2J"), r"config\.json: name: "),
        (lambda path: edit(path, name=""), r"config\.json: name: "),
        (lambda path: edit(path, name="a" * 1000), r"config\.json: name: "),
        (
            lambda path: edit(path, sha256={"model.safetensors": "0" * 64, "../../etc/passwd": "0" * 64}),
            r"config\.json: sha256: '\.\./\.\./etc/passwd' is none of model\.safetensors, vocabulary\.json",
        ),
        (lambda path: edit(path, sha256={"model.safetensors": "a\nb"}), r"config\.json: sha256\.model\.safetensors: "),
        (lambda path: pipe(path, "config.json"), r"config\.json: .*not a regular file"),
        (lambda path: pipe(path, "model.safetensors"), r"model\.safetensors: no such file"),
        (lambda path: endless(path, "metrics.json"), r"metrics\.json: .*not a regular file"),
        (lambda path: endless(path, "vocabulary.json"), r"vocabulary\.json: no such file"),
    ],
)
def test_damage_is_named(saved: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(saved)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.open(saved).load()


def test_sizes_beyond_the_weights_take_no_memory(saved: Path) -> None:
    with_size(saved, "hidden_size", 20_000)  # 15 GB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=r"model\.safetensors: decoder\.\S+ is \(.*\) instead of \(\d*, ?2\d{4}"):
        Checkpoint.open(saved).load()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_full_disk_leaves_the_old_checkpoint(tiny_captioner: Captioner, saved: Path, full_disk: FullDisk) -> None:
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    metrics = {"notes": "x" * 10_000_000}  # is larger than the weights
    for size in (0, 100_000, 9_000_000):
        with full_disk(size), pytest.raises(OSError, match=r"File too large") as caught:
            save(saved, CAPTIONING, tiny_captioner, name="second", metrics=metrics, card="")
        assert caught.value.filename == str(saved)
        assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
        assert [entry.name for entry in saved.parent.iterdir()] == ["copy"]


def test_what_is_served_of_a_checkpoint_is_read_and_checked_when_it_is_opened(tiny_checkpoint: Path) -> None:
    card = Checkpoint.open(tiny_checkpoint).card
    (tiny_checkpoint / "README.md").write_bytes(b"caf\xe9")
    with pytest.raises(CheckpointError, match=r"README\.md: 'utf-8' codec"):
        Checkpoint.open(tiny_checkpoint)
    (tiny_checkpoint / "README.md").write_text(card)
    for wrong in ("[]", '{"a": NaN}', '{"a": "\\ud800"}'):
        (tiny_checkpoint / "metrics.json").write_text(wrong)
        with pytest.raises(CheckpointError, match=r"metrics\.json: "):
            Checkpoint.open(tiny_checkpoint)
