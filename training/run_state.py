"""What every training loop needs: a schedule, averaged weights, and a state on disk that survives kill -9.

The state of a run is one safetensors file, replaced atomically: parameters, averages, the optimizer's moments and, in
its header, how far the run has come. Random numbers need no saving, since those of a step depend only on the seed, the
step and the process; nor does the order of the data, which depends on the seed and the epoch.
"""

import json
import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from model.checkpoint import fsync_directory
from model.openvino.precision import fast_dtype
from training.recipe import Recipe


class StateError(Exception):
    """A state that does not belong to this run, or can't be read."""


def learning_rate(step: int, *, peak: float, warmup: int, total: int) -> float:
    """A linear rise over `warmup` steps, at most a tenth of all, then half a cosine from `peak` to zero at `total`."""
    warmup = min(warmup, total // 10)  # a run of few steps, over few pictures, would else end before it has risen
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def seed_step(seed: int, step: int, process: int) -> None:
    """Makes all random numbers of a step (dropout) a function of these three."""
    torch.manual_seed((seed * 1_000_003 + step) * 1_009 + process)


def averaged(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of the module whose `update_parameters` keeps an exponential moving average of the weights.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that the fresh weights are soon forgotten.
    """

    @torch.no_grad()
    def update(averages: Any, values: Any, updates: Any) -> None:
        share = 1 - min(decay, (1 + int(updates)) / (10 + int(updates)))
        for average, value in zip(averages, values, strict=True):
            average.lerp_(value, share)

    return AveragedModel(module, multi_avg_fn=update)


def save_state(path: Path, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
    """Writes tensors and progress to one file, in place of the last state once it is safely on disk."""
    _replace(path, tensors, {"progress": json.dumps(progress)})


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the progress that `save_state` wrote.

    Raises:
        StateError: the file can't be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["progress"])  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise StateError(f"{path}: {error}") from error


def check_run(state_path: Path, recipe: Recipe, *, resume: bool) -> None:
    """Makes a run's folder, and sees to it that a state there is gone on with on purpose, and by its own recipe.

    Args:
        state_path: of the run.
        recipe: of the run; the state's progress has its own as JSON, under `recipe`.
        resume: whether a state may be there.

    Raises:
        StateError: one is there and may not be, or it is of another recipe.
    """
    state_path.parent.mkdir(parents=True, exist_ok=True)
    if not state_path.is_file():
        return
    if not resume:
        raise StateError(f"{state_path}: a run is there already; go on with --resume, or remove it")
    _, values = load_state(state_path)
    try:
        same = recipe == type(recipe).model_validate_json(values["recipe"])
    except ValidationError:
        same = False
    if not same:
        raise StateError(f"{state_path}: this state is of another recipe; choose another run folder")


def put_aside(tensors: dict[str, Tensor], path: Path) -> None:
    """Writes weights, in place of those put aside before."""
    _replace(path, tensors)


def _replace(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, metadata)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    fsync_directory(path.parent)


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters that require a gradient."""
    return {name: tensor.detach() for name, tensor in module.named_parameters() if tensor.requires_grad}


def load_trained(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Undoes `trained_tensors`; the same parameters have to require a gradient."""
    module.load_state_dict({**module.state_dict(), **tensors})


def available_device() -> torch.device:
    """CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(wanted: str) -> str:
    """What accelerate is told: a recipe's precision, or `no` where bf16 would be the slower."""
    return "no" if wanted == "bf16" and fast_dtype(available_device()) != torch.bfloat16 else wanted


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's moments and step counts, named `PARAMETER.KEY`."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{key}": tensor for number, values in state.items() for key, tensor in values.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Undoes `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under `prefix.NAME`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those tensors that stand under `prefix.NAME`, as NAME."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


class Interruption:
    """Whether the run was asked to stop."""

    requested = False


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turns Ctrl-C and SIGTERM into a request, so that no step is cut in two; a second Ctrl-C is obeyed at once."""
    interruption = Interruption()

    def request(number: int, frame: FrameType | None) -> None:
        interruption.requested = True
        signal.signal(signal.SIGINT, previous[signal.SIGINT])

    previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
