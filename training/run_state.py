"""The state of a run on disk, which survives Ctrl-C and kill -9.

It is one safetensors file, replaced atomically: parameters, averages, the optimizer's moments, what the objective
carries from one update to the next and, in the header, how far the run has come. Random numbers need no saving, since
those of a step depend only on the seed, the step and the process; nor does the order of the data, which depends on the
seed and the epoch.
"""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from model.files import replacing, save_tensors
from training.errors import TrainingError
from training.recipe import Recipe


class StateError(TrainingError):
    """A state that does not belong to this run, or can't be read."""


@dataclass
class Progress:
    """The place of a run in its schedule, and its best score so far."""

    recipe: str
    """The recipe as JSON: a state belongs to one recipe."""
    epoch: int = 0
    done: int = 0
    """Updates of this epoch."""
    step: int = 0
    """Updates of all epochs."""
    best_score: float | None = None
    """Value on dev of the figure that weights are chosen by."""
    best_epoch: int = -1
    start_score: float | None = None
    """The same, before the first update, of a run that goes on from a checkpoint."""
    seconds: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    """Sums of what the updates of this epoch reported."""


def save_state(path: Path, tensors: dict[str, Tensor], progress: Progress | None = None) -> None:
    """Writes tensors, and progress if there is any, to a file, in place of the last one once it is safely on disk."""
    metadata = {"progress": json.dumps(asdict(progress))} if progress else None
    with replacing(path) as partial:
        save_tensors(partial, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)


def load_state(path: Path) -> tuple[dict[str, Tensor], Progress]:
    """Reads the tensors and the progress that `save_state` wrote.

    Raises:
        StateError: the file can't be read, or another version of Recap wrote it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, Progress(**json.loads(file.metadata()["progress"]))
    except (OSError, SafetensorError) as error:
        raise StateError(f"{path}: {error}") from error
    except (KeyError, TypeError) as error:
        raise StateError(f"{path}: another version of Recap wrote this state; choose another run folder") from error


def check_run(state_path: Path, recipe: Recipe, *, resume: bool) -> None:
    """Creates the run's folder.

    Raises:
        StateError: there is a state already and `resume` is False, or it is of another recipe.
    """
    state_path.parent.mkdir(parents=True, exist_ok=True)
    if not state_path.is_file():
        return
    if not resume:
        raise StateError(f"{state_path}: a run is there already; go on with --resume, or remove it")
    _, progress = load_state(state_path)
    try:
        same = recipe == type(recipe).model_validate_json(progress.recipe)
    except ValidationError:
        same = False
    if not same:
        raise StateError(f"{state_path}: this state is of another recipe; choose another run folder")


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters that require a gradient."""
    return {name: tensor.detach() for name, tensor in module.named_parameters() if tensor.requires_grad}


def load_trained(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Undoes `trained_tensors`; the same parameters have to require a gradient."""
    module.load_state_dict({**module.state_dict(), **tensors})


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
    """The tensors, NAME as `prefix.NAME`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that stand under `prefix.NAME`, as NAME."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM in a list, so that no step is cut in two; a second Ctrl-C stops at once."""
    signals: list[int] = []

    def request(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        signal.signal(signal.SIGINT, previous[signal.SIGINT])

    previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
