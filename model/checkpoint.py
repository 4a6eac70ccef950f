"""A trained model as a directory: config.json, model.safetensors, the task's assets, metrics.json and README.md.

Written beside its place, flushed to disk and renamed into it, so that a checkpoint is either whole or not there.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import torch
from pydantic import Field, ValidationError
from pydantic_core import from_json, to_jsonable_python
from safetensors import SafetensorError, safe_open
from torch.overrides import TorchFunctionMode

from model.config import Config, Name
from model.files import fsync, read_bytes, save_tensors
from model.messages import some
from model.openvino.program import Program
from model.task import C, M, Task
from model.tasks import TASKS

D = TypeVar("D", bound=Config)
N = TypeVar("N", bound=torch.nn.Module)

WEIGHTS, CONFIG, METRICS, CARD = "model.safetensors", "config.json", "metrics.json", "README.md"


class CheckpointError(Exception):
    """A checkpoint that is missing, damaged or not ours; the message names the file and the reason."""


class Manifest(Config):
    """The contents of config.json, with the task's part as it stands there."""

    name: Name
    sha256: dict[
        str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    ]  # of each file that the model is built from, in hexadecimal
    task: str  # `Task.pipeline`
    model: dict[str, Any]  # `Task.config` as JSON


def file_sha256(path: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Checkpoint(Generic[C, M]):
    """A checkpoint whose description has been read and validated, and whose weights have not.

    Where a method finds something wrong with its files, it raises CheckpointError.
    """

    path: Path
    task: Task[C, M]
    manifest: Manifest
    config: C
    metrics: dict[str, Any]
    card: str = ""
    """The model card, in Markdown; empty where there is none."""
    created: int = 0
    """When config.json was written, in seconds since 1970."""

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def sha256(self) -> str:
        """Digest of the weights, which identifies the model."""
        return self.manifest.sha256[WEIGHTS]

    @property
    def description(self) -> str:
        """All that the model is made from, as JSON: its configuration, and digests of its files."""
        return self.manifest.model_dump_json()

    @staticmethod
    def open(path: Path) -> "Checkpoint[Any, Any]":
        """Reads config.json, metrics.json and the card."""
        manifest = _validated(path, Manifest, _read_json(path / CONFIG))
        task = next((task for task in TASKS.values() if task.pipeline == manifest.task), None)
        if task is None:
            known = ", ".join(repr(task.pipeline) for task in TASKS.values())
            raise CheckpointError(f"{path / CONFIG}: task: {manifest.task!r} is none of {known}")
        config = _validated(path, task.config, manifest.model, "model")
        files = (WEIGHTS, *(asset.file for asset in task.assets))
        if unknown := manifest.sha256.keys() - set(files):
            raise CheckpointError(f"{path / CONFIG}: sha256: {min(unknown)!r} is none of {', '.join(files)}")
        optional = {asset.file for asset in task.assets if asset.optional and asset.file not in manifest.sha256}
        for name in (file for file in files if file not in optional):
            if name not in manifest.sha256:
                raise CheckpointError(f"{path / CONFIG}: sha256: no digest for {name}")
            if not (path / name).is_file():
                raise CheckpointError(f"{path / name}: no such file")
        metrics = _read_json(path / METRICS)
        if not isinstance(metrics, dict):
            raise CheckpointError(f"{path / METRICS}: an object is needed, with a name for each of its values")
        created = int((path / CONFIG).stat().st_mtime)
        try:  # now, so that it can be told later whatever has become of the files, or of the values in them
            file = path / METRICS
            json.dumps(to_jsonable_python(metrics), ensure_ascii=False, allow_nan=False).encode()
            file = path / CARD
            card = file.read_text(encoding="utf-8") if file.is_file() else ""
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file}: {error}") from error
        return Checkpoint(path, task, manifest, config, metrics, card, created)

    def has(self, asset: str) -> bool:
        """True if it has this asset of its task, which may be an optional one."""
        return any(kind.file in self.manifest.sha256 for kind in self.task.assets if kind.name == asset)

    def expect(self, task: Task[D, N]) -> "Checkpoint[D, N]":
        """This checkpoint, if it is of a task; raises CheckpointError otherwise."""
        if self.task is not task:
            raise CheckpointError(f"{self.path} is {self.task.a_noun}, {task.a_noun} is needed")
        return self  # type: ignore[return-value]

    def verify(self) -> dict[str, Any]:
        """Checks all files' digests, and returns the assets by their names."""
        for name, expected in self.manifest.sha256.items():
            try:
                found = file_sha256(self.path / name)
            except OSError as error:
                raise CheckpointError(f"{self.path / name}: {error.strerror}") from error
            if found != expected:
                raise CheckpointError(f"{self.path / name}: sha256 is {found}, config.json says {expected}")
        assets = {}
        for asset in (asset for asset in self.task.assets if asset.file in self.manifest.sha256):
            try:
                assets[asset.name] = asset.kind.read(self.path / asset.file)
            except (OSError, ValueError) as error:
                raise CheckpointError(f"{self.path / asset.file}: {error}") from error
        return assets

    def build(self, assets: Mapping[str, Any], programs: Mapping[str, Program] | None = None) -> M:
        """The model, on the CPU, in evaluation mode, in single precision, around the assets that `verify` returned.

        The programs are its compiled networks, by the names of `Task.networks`; None builds it in torch.
        """
        try:
            if programs:  # of weights that were the architecture's when they were compiled
                model = self.task.build(self.config, **assets, programs=programs)
            else:
                with _Unfilled():
                    with torch.device("meta"):
                        shapes = self.task.build(self.config, **assets)
                    _check_shapes(shapes, self.path / WEIGHTS)  # before memory of a size that they do not have is taken
                    model = self.task.build(self.config, **assets)
        except (ValueError, TypeError, RuntimeError) as error:  # the last two for numbers beyond what torch counts to
            raise CheckpointError(f"{self.path / CONFIG}: model: {str(error).splitlines()[0]}") from error
        if own := model.state_dict():  # of a model whose networks are compiled: the rest, or nothing
            with safe_open(self.path / WEIGHTS, framework="pt") as file:
                model.load_state_dict({name: file.get_tensor(name) for name in own})
        return model.float().eval()

    def load(self, device: torch.device | str = "cpu") -> M:
        """The model, in evaluation mode, in single precision."""
        return self.build(self.verify()).to(device)


def _validated(path: Path, kind: type[D], values: Any, *section: str) -> D:
    """Validates config.json, or a section of it; the error names the first thing that is wrong."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (*section, *first["loc"]))) or "the file"
        what = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            what = "no such key is known; was it written by a later version?"
        raise CheckpointError(f"{path / CONFIG}: {where}: {what}") from error


def _read_json(path: Path) -> Any:
    try:
        return from_json(read_bytes(path))
    except OSError as error:
        raise CheckpointError(f"{path}: {'no such file' if isinstance(error, FileNotFoundError) else error}") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: not read as JSON: {error}") from error


class _Unfilled(TorchFunctionMode):
    """Leaves out filling fresh weights, which a file replaces: drawing them takes longer than reading it.

    On `meta` there is nothing to fill, and torch would import for a second.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        return kwargs["tensor"] if getattr(func, "__module__", "") == "torch.nn.init" else func(*args, **kwargs)


def _check_shapes(module: torch.nn.Module, path: Path) -> None:
    """Compares tensors with the header of a safetensors file; the error names the first few that differ."""
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    wrong = [f"{name} is missing" for name in expected if name not in found]
    wrong += [f"{name} is unknown" for name in found if name not in expected]
    wrong += [
        f"{name} is {found[name]} instead of {shape}"
        for name, shape in expected.items()
        if found.get(name, shape) != shape
    ]
    if wrong:
        raise CheckpointError(f"{path}: {some(wrong, '; ')}")


def save(
    path: Path, task: Task[C, M], model: M, *, name: str, metrics: Mapping[str, Any], card: str
) -> Checkpoint[C, M]:
    """Writes a checkpoint, its weights in half precision, in place of one that stands there.

    The model's attribute `config` is the task's configuration; `metrics` are figures and where they come from, as JSON
    values, and `card` is the model card, in Markdown.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        tensors = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
        halved = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
        save_tensors(fresh / WEIGHTS, halved)
        assets = [asset for asset in task.assets if not asset.optional or getattr(model, asset.name) is not None]
        for asset in assets:
            getattr(model, asset.name).write(fresh / asset.file)
        digests = {file: file_sha256(fresh / file) for file in (WEIGHTS, *(asset.file for asset in assets))}
        config: Any = model.config
        manifest = Manifest(name=name, sha256=digests, task=task.pipeline, model=config.model_dump(mode="json"))
        _write(fresh / CONFIG, manifest.model_dump_json(indent=2))
        _write(fresh / METRICS, json.dumps(metrics, indent=2))
        _write(fresh / CARD, card)
        for file in fresh.iterdir():
            file.chmod(0o644)  # safetensors writes 0600, and who serves is seldom who trained
            fsync(file)
        fsync(fresh)
        fresh.chmod(0o755)
        if path.exists():  # a directory can't be replaced in one step, so the old one steps aside first
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
            path.rename(old / path.name)
            try:
                fresh.rename(path)
            except OSError:
                (old / path.name).rename(path)
                raise
            finally:
                shutil.rmtree(old)
        else:
            fresh.rename(path)
        fsync(path.parent)
    except BaseException as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if isinstance(error, OSError) and error.errno:
            error.filename = str(path)
        raise
    return Checkpoint.open(path).expect(task)


def _write(path: Path, text: str) -> None:
    path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
