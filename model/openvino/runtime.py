"""The fast CPU path: networks that OpenVINO compiles, from the same checkpoints, with torch's numbers to 1e-4.

Torch remains the reference, and runs on CUDA and without OpenVINO. A network is traced once into OpenVINO's own
description of it, which is kept on disk: from there it is ready in a fraction of a second. That description does not
depend on the CPU; the program compiled from it does, and is compiled at each start.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch

from model.checkpoint import Checkpoint, file_sha256
from model.openvino import quantization
from model.openvino.program import Network, Program
from model.task import C, M

if TYPE_CHECKING:
    import openvino

DIGESTS = "digests.json"
KEPT_DAYS = 60
"""Days for which networks of other versions or checkpoints stay in the cache after they were last used."""

PACKAGE = Path(__file__).resolve().parent.parent
"""The package `model`, any part of which may change what a network computes."""
_QUANTIZED = "-quantized"
"""Suffix of a network whose weights are in 8 bits; the same network without it has them in full."""
_PRECISION = "precision"
"""Key of `Network.precision` in a traced network's runtime information."""
_TRACING = threading.Lock()
"""Filters of warnings hold for the whole process, so one thread at a time may set them."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Runtime:
    """OpenVINO's CPU plugin, and the cache of networks that need not be traced again.

    Args:
        cache: folder, created when needed; None keeps nothing. One that can't be written is logged, and does no harm.
        threads: of the CPU; None takes one a core.
        precision: `float32`, or `auto`, which is each network's own.

    Raises:
        ImportError: OpenVINO is not installed: see `Runtime.available`.
    """

    def __init__(
        self, cache: Path | None = None, *, threads: int | None = None, precision: Literal["auto", "float32"] = "auto"
    ) -> None:
        self._openvino = _import_openvino()
        self._core = _core()
        self._cache = cache
        auto = precision == "auto"
        low = auto and "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.dtype = torch.bfloat16 if low else torch.float32
        """Format of bfloat16 networks' products. Values between products, such as a cell's state, are float32."""
        self._quantizes = auto and quantization.available()
        self._properties: dict[str, Any] = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": quantization.GROUP}
        if threads:
            self._properties["INFERENCE_NUM_THREADS"] = threads

    @staticmethod
    def available() -> bool:
        """True if OpenVINO is installed."""
        return find_spec("openvino") is not None

    def load(self, checkpoint: Checkpoint[C, M]) -> M:
        """The model of a checkpoint, around the compiled networks of its task, which has to have some."""
        networks = checkpoint.task.networks
        assert networks is not None
        assets = checkpoint.verify()
        programs = self.programs(checkpoint.description, lambda: networks(checkpoint.build(assets)))
        return checkpoint.build(assets, programs)

    def programs(self, description: str, networks: Callable[[], Mapping[str, Network]]) -> dict[str, Program]:
        """Compiles networks, by their names.

        They come from the cache, with the same code of `model` and the same OpenVINO, where the description of whatever
        they are made from is the same, such as the digests of a checkpoint's files; else `networks` makes them.
        """
        folder = self._cache and self._cache / self._key(description)
        models = self._read(folder) if folder else None
        if models is None:
            models = {}
            for name, network in networks().items():
                models[name] = self._trace(network)
                if network.precision == "int8":  # even if this CPU has no use for it: another may read the cache
                    models[name + _QUANTIZED] = quantization.quantized(models[name])
            if folder:
                self._write(folder, models)
            models = (self._read(folder) if folder else None) or self._take(models)
        return {name: Program(partial(self._compile, model), self.dtype, folder) for name, model in models.items()}

    def _take(self, versions: Mapping[str, T]) -> dict[str, T]:
        """The versions of networks that are for this CPU, where there are two."""
        taken = {name: version for name, version in versions.items() if not name.endswith(_QUANTIZED)}
        if self._quantizes:
            taken = {name: versions.get(name + _QUANTIZED, version) for name, version in taken.items()}
        return taken

    def _key(self, description: str) -> str:
        """Folder name: a digest of the description, the code of `model`, and the libraries' versions."""
        made_from = [description, code_digests(PACKAGE), self._openvino.get_version(), torch.__version__]
        return _digest(made_from)

    def _trace(self, network: Network) -> "openvino.Model":
        # torch.export gives programs with the same bits and speed, but takes eight times as long (16 s of CPU time for
        # the networks that torch.jit.trace converts in 2 s), at each first start and in each test.
        free = network.free or (1,) * len(network.example)
        sizes = zip(free, network.example, strict=True)
        shapes = [self._openvino.PartialShape([*[-1] * any_, *tensor.shape[any_:]]) for any_, tensor in sizes]
        with _TRACING, torch.inference_mode(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.trace(_method)?` is deprecated", FutureWarning)
            # Sizes become constants, which all but the free ones may.
            warnings.simplefilter("ignore", torch.jit._trace.TracerWarning)
            traced = torch.jit.trace(network.module, network.example, check_trace=False)
            model = self._openvino.convert_model(traced, example_input=network.example, input=shapes)
        model.set_rt_info(network.precision, _PRECISION)
        return model

    def _compile(self, model: "openvino.Model", calls: int) -> "openvino.CompiledModel":
        low = self.dtype == torch.bfloat16 and model.get_rt_info(_PRECISION).astype(str) == "bfloat16"
        properties = {"INFERENCE_PRECISION_HINT": "bf16" if low else "f32", "NUM_STREAMS": calls}  # 1 takes all threads
        return self._core.compile_model(model, "CPU", self._properties | properties)

    def _read(self, folder: Path) -> "dict[str, openvino.Model] | None":
        """The networks of a folder that are for this CPU; None if there are none, or if they were damaged."""
        if not folder.is_dir():
            return None
        try:
            digests: dict[str, str] = json.loads((folder / DIGESTS).read_text())
            if digests.pop(DIGESTS) != _digest(digests):
                raise ValueError(f"{DIGESTS} was changed")
            versions = {Path(name).stem: folder / name for name in digests if name.endswith(".xml")}
            models = {}
            for name, file in self._take(versions).items():
                for part in (file, file.with_suffix(".bin")):
                    if file_sha256(part) != digests[part.name]:
                        raise ValueError(f"{part.name} was changed")
                models[name] = self._core.read_model(file)
            with suppress(OSError):  # a read-only cache can still be read
                os.utime(folder)
            return models
        except Exception as error:  # whatever is wrong with them, they can be made again
            logger.warning("%s is damaged and will be made again: %s", folder, error)
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def _write(self, folder: Path, models: "Mapping[str, openvino.Model]") -> None:
        """Writes networks into a folder: all of them, or nothing."""
        fresh = None
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
            for name, model in models.items():
                self._openvino.save_model(model, fresh / f"{name}.xml", compress_to_fp16=False)
            digests = {file.name: file_sha256(file) for file in fresh.iterdir()}
            (fresh / DIGESTS).write_text(json.dumps({**digests, DIGESTS: _digest(digests)}))
            fresh.chmod(0o755)
            fresh.rename(folder)
            for other in folder.parent.iterdir():
                if (other / DIGESTS).is_file() and time.time() - other.stat().st_mtime > KEPT_DAYS * 86_400:
                    shutil.rmtree(other)
        except (OSError, RuntimeError) as error:  # RuntimeError is OpenVINO's, when the disk is full
            if not folder.is_dir():  # another process may have written it meanwhile
                logger.warning("%s can't be written, so the next start takes as long as this one: %s", folder, error)
        finally:
            if fresh:
                shutil.rmtree(fresh, ignore_errors=True)


def _digest(value: Any) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def code_digests(package: Path) -> dict[str, str]:
    """SHA-256 of each module of a package, by its path in it."""
    return {str(file.relative_to(package)): file_sha256(file) for file in sorted(package.rglob("*.py"))}


@cache
def _core() -> "openvino.Core":
    """OpenVINO's core, one for the process, never unloaded.

    Its CPU plugin gives signal handlers a stack, and when one of several plugins is unloaded, that may be one that was
    freed: the next signal to arrive would end the process.
    """
    return _import_openvino().Core()


def _import_openvino() -> Any:
    """Imports OpenVINO without its telemetry, which would send a message to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
