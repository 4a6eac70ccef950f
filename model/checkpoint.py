"""A trained model as a directory: config.json, model.safetensors, vocabulary.json, metrics.json and README.md.

Written beside its place, flushed to disk and renamed into it, so that a checkpoint is either whole or not there.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model.config import CaptionerConfig, Config, LanguageModelConfig
from model.tasks.captioning.captioner import Captioner
from model.tasks.text.language import LanguageModel
from model.vocabulary import Vocabulary

M = TypeVar("M", bound=torch.nn.Module)

WEIGHTS, VOCABULARY, CONFIG, METRICS, CARD = (
    "model.safetensors",
    "vocabulary.json",
    "config.json",
    "metrics.json",
    "README.md",
)


class CheckpointError(Exception):
    """A checkpoint that is missing, damaged or not ours; the message names the file and the reason."""


class Manifest(Config):
    """The contents of config.json, whatever the task."""

    name: str
    sha256: dict[str, str]
    """Of each file that the model is built from."""


class CaptionerManifest(Manifest):
    """Pictures to sentences."""

    task: Literal["image-to-text"] = "image-to-text"
    model: CaptionerConfig


class LanguageManifest(Manifest):
    """Text to more text."""

    task: Literal["text-generation"] = "text-generation"
    model: LanguageModelConfig


_MANIFEST: TypeAdapter[CaptionerManifest | LanguageManifest] = TypeAdapter(
    Annotated[CaptionerManifest | LanguageManifest, Field(discriminator="task")]
)


def file_sha256(path: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_directory(path: Path) -> None:
    """Makes the names in a directory as durable as the files they name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose description has been read and validated, and whose weights have not."""

    path: Path
    manifest: CaptionerManifest | LanguageManifest
    metrics: dict[str, Any]

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def task(self) -> str:
        return self.manifest.task

    @property
    def sha256(self) -> str:
        """Of the weights: what identifies the model."""
        return self.manifest.sha256[WEIGHTS]

    @property
    def card(self) -> str:
        """The model card, in Markdown; empty where there is none."""
        file = self.path / CARD
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    @staticmethod
    def open(path: Path) -> "CaptionerCheckpoint | LanguageCheckpoint":
        """Reads config.json and metrics.json.

        Raises:
            CheckpointError: a file is missing or its contents are not what they should be.
        """
        try:
            manifest = _MANIFEST.validate_json(_read(path / CONFIG))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"][1:])) or ("task" if "union_tag" in first["type"] else "the file")
            what = first["msg"]
            if first["type"] == "extra_forbidden":
                what = "no such key is known; was it written by a later version?"
            raise CheckpointError(f"{path / CONFIG}: {where}: {what}") from error
        for name in (WEIGHTS, VOCABULARY):
            if name not in manifest.sha256:
                raise CheckpointError(f"{path / CONFIG}: sha256: no digest for {name}")
            if not (path / name).is_file():
                raise CheckpointError(f"{path / name}: no such file")
        metrics = _read_json(path / METRICS)
        if isinstance(manifest, LanguageManifest):
            return LanguageCheckpoint(path, manifest, metrics)
        return CaptionerCheckpoint(path, manifest, metrics)

    def verify(self) -> Vocabulary:
        """Checks all files' digests.

        Returns:
            The vocabulary.

        Raises:
            CheckpointError: a file was changed or cut.
        """
        for name, expected in self.manifest.sha256.items():
            found = file_sha256(self.path / name)
            if found != expected:
                raise CheckpointError(f"{self.path / name}: sha256 is {found}, config.json says {expected}")
        try:
            return Vocabulary(_read_json(self.path / VOCABULARY))
        except ValueError as error:
            raise CheckpointError(f"{self.path}: {error}") from error

    def _build(self, build: Callable[[Vocabulary], M], vocabulary: Vocabulary) -> M:
        """The model that `build` makes around a vocabulary, with the weights."""
        try:
            model = build(vocabulary)
        except ValueError as error:
            raise CheckpointError(f"{self.path}: {error}") from error
        load_weights(model, self.path / WEIGHTS)
        return model.float().eval()


class CaptionerCheckpoint(Checkpoint):
    """Of a `Captioner`."""

    manifest: CaptionerManifest

    @property
    def config(self) -> CaptionerConfig:
        return self.manifest.model

    def load(self, device: torch.device | str = "cpu") -> Captioner:
        """The model, in evaluation mode, in single precision.

        Raises:
            CheckpointError: a file was changed or cut, or its tensors are not those of the architecture.
        """
        return self.build(self.verify()).to(device)

    def build(self, vocabulary: Vocabulary) -> Captioner:
        """The model around the vocabulary that `verify` returned, on the CPU.

        Raises:
            CheckpointError: as `load`.
        """
        captioner = self._build(partial(Captioner, self.config), vocabulary)
        captioner.encoder.to(memory_format=torch.channels_last)  # a quarter faster on a CPU, and the same numbers
        return captioner


class LanguageCheckpoint(Checkpoint):
    """Of a `LanguageModel`."""

    manifest: LanguageManifest

    @property
    def config(self) -> LanguageModelConfig:
        return self.manifest.model

    def load(self, device: torch.device | str = "cpu") -> LanguageModel:
        """The model, in evaluation mode, in single precision.

        Raises:
            CheckpointError: a file was changed or cut, or its tensors are not those of the architecture.
        """
        return self._build(partial(LanguageModel, self.config), self.verify()).to(device)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path}: {error}") from error


def load_weights(module: torch.nn.Module, path: Path) -> None:
    """Tensors of a safetensors file into a module, by name.

    Raises:
        CheckpointError: the file can't be read, or names or shapes differ; the first few are named.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    expected = module.state_dict()
    wrong = [f"{name} is missing" for name in expected if name not in tensors]
    wrong += [f"{name} is unknown" for name in tensors if name not in expected]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(f"{path}: {'; '.join(wrong[:3])}{more}")
    module.load_state_dict(tensors)


def save(
    path: Path, model: Captioner | LanguageModel, *, name: str, metrics: Mapping[str, Any], card: str
) -> CaptionerCheckpoint | LanguageCheckpoint:
    """Writes a checkpoint in half precision, in place of one that stands there.

    Args:
        path: its directory.
        model: what to write.
        name: what it is called when served.
        metrics: figures and where they come from, as JSON values.
        card: the model card, in Markdown.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        save_file(
            {
                key: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
                for key, tensor in model.state_dict().items()
            },
            fresh / WEIGHTS,
        )
        _write(fresh / VOCABULARY, json.dumps(model.vocabulary.words, ensure_ascii=False, indent=0))
        digests = {file: file_sha256(fresh / file) for file in (WEIGHTS, VOCABULARY)}
        manifest = (
            CaptionerManifest(name=name, sha256=digests, model=model.config)
            if isinstance(model, Captioner)
            else LanguageManifest(name=name, sha256=digests, model=model.config)
        )
        _write(fresh / CONFIG, manifest.model_dump_json(indent=2))
        _write(fresh / METRICS, json.dumps(metrics, indent=2))
        _write(fresh / CARD, card)
        for file in fresh.iterdir():
            file.chmod(0o644)  # safetensors writes 0600, and who serves is seldom who trained
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        fsync_directory(fresh)
        fresh.chmod(0o755)
        if path.exists():  # a directory can't be replaced in one step, so the old one steps aside first
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
            path.rename(old / path.name)
            fresh.rename(path)
            shutil.rmtree(old)
        else:
            fresh.rename(path)
        fsync_directory(path.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return Checkpoint.open(path)


def _write(path: Path, text: str) -> None:
    path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
