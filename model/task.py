"""A task as a value: the particulars of one kind of checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from torch import nn

from model.config import Config
from model.openvino.program import Network

C = TypeVar("C", bound=Config)
M = TypeVar("M", bound=nn.Module)


class AssetKind(Protocol):
    """A kind of file that a model is built around: a vocabulary, labels, a scaler."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError if the file holds something else, and says what is wrong; OSError if it can't be read."""

    def write(self, path: Path) -> None:
        """Writes the file that `read` reads."""


@dataclass(frozen=True)
class Asset:
    """A file beside the weights."""

    name: str  # the model's attribute, and the parameter that `Task.build` takes it by
    file: str  # its name in the checkpoint
    kind: type[AssetKind]
    optional: bool = False  # whether a checkpoint may lack it: the model's attribute is then None


@dataclass(frozen=True)
class Task(Generic[C, M]):
    """The particulars of one task's checkpoints; `model.tasks.TASKS` has all tasks."""

    name: str  # `captioning`: the name of its folders, its page view and its label in metrics
    pipeline: str  # `image-to-text`: the task in config.json, by Hugging Face's name
    noun: str  # `captioner`: what a model of this task is called in messages
    config: type[C]  # what a model is built from
    assets: tuple[Asset, ...]  # files that a model is built around; there may be none
    build: Callable[..., M]
    """Builds a model with fresh weights: `build(config, **assets)`. Raises ValueError if they don't go together."""
    networks: Callable[[M], Mapping[str, Network]] | None = None
    """The networks of a model that OpenVINO compiles, by name; None for a task whose models run in torch.

    Their programs are then given to `build(config, **assets, programs=programs)`, whose model has weights only for what
    it still computes in torch.
    """

    @property
    def a_noun(self) -> str:
        """`a captioner`: the noun with its article."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"
