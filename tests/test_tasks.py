"""Every task has all its parts, under one name: the rule that makes a new task three places, three lines and a view."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app.cli import cli
from app.http.contract import Contract
from app.routes.page import views
from app.serving.engine import Engine
from app.settings import Settings
from app.tasks import TASKS as APP
from model.tasks import TASKS as MODEL
from tests.conftest import ROOT
from training.errors import TrainingError
from training.tasks import TASKS as TRAINING
from training.tasks import read_recipe


@dataclass(frozen=True)
class House:
    """The places that a task has something in."""

    root: Path
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    app: Mapping[str, Any]
    commands: Sequence[Callable[..., Any]]
    contracts: Mapping[str, Sequence[Contract]]
    """Task -> the contracts of its routes."""
    handlers: Mapping[str, Any]
    """Task -> its part of Hugging Face's contract."""
    labels: frozenset[str]
    """Tasks that metrics have a label for."""


def built() -> House:
    """The house as it stands."""
    engine = Engine(Settings(checkpoints=ROOT / "checkpoints", runtime="torch"), APP)
    depths = next(family for family in engine.metrics.registry.collect() if family.name == "recap_queue_depth")
    contracts: dict[str, list[Contract]] = {name: [] for name in APP}
    for name, task in APP.items():
        endpoints = [getattr(route, "endpoint", None) for router in task.routers() for route in router.routes]
        found = [getattr(endpoint, "contract", None) for endpoint in endpoints]
        contracts[name] = [contract for contract in found if isinstance(contract, Contract)]
    return House(
        root=ROOT,
        model=MODEL,
        training=TRAINING,
        app=APP,
        commands=[command.callback for command in cli.registered_commands if command.callback],
        contracts=contracts,
        handlers={name: task.huggingface() for name, task in APP.items()},
        labels=frozenset(sample.labels["task"] for sample in depths.samples),
    )


def has_recipe(house: House, name: str) -> bool:
    """A recipe that can be read, of this task, in its folder."""
    files = sorted((house.root / "configs" / name).glob("*.toml"))
    try:
        return bool(files) and all(read_recipe(file).task == name for file in files)
    except TrainingError:
        return False


def has_place(house: House, name: str) -> bool:
    """A module or a package of its name in each `tasks` folder."""
    places = [house.root / package / "tasks" / name for package in ("model", "training", "app")]
    return all(place.is_dir() or place.with_suffix(".py").is_file() for place in places)


PARTS: dict[str, Callable[[House, str], bool]] = {
    "its three places": has_place,
    "a line in training's TASKS": lambda house, name: name in house.training,
    "a line in app's TASKS": lambda house, name: name in house.app,
    "a recipe": has_recipe,
    "a card template": lambda house, name: (house.root / "training" / "tasks" / name / "card.md").is_file(),
    "a command": lambda house, name: name in house.app and house.app[name].command in house.commands,
    "a route": lambda house, name: any(contract.task == name for contract in house.contracts.get(name, ())),
    "a Hugging Face handler": lambda house, name: callable(getattr(house.handlers.get(name), "infer", None)),
    "labels of metrics": lambda house, name: name in house.labels,
    "a page of the documents": lambda house, name: (house.root / "docs" / "tasks" / f"{name}.md").is_file(),
    "a view": lambda house, name: name in views(house.root / "app" / "web"),
}


def missing(house: House, name: str) -> list[str]:
    """The parts that a task lacks."""
    return [part for part, there in PARTS.items() if not there(house, name)]


@pytest.fixture(scope="module")
def house() -> House:
    return built()


@pytest.mark.parametrize("name", MODEL)
def test_tasks_are_complete(house: House, name: str) -> None:
    assert missing(house, name) == []
    task = MODEL[name]
    assert (task.name, TRAINING[name].task, APP[name].name) == (name, task, name)


def test_registries_have_the_same_tasks_in_the_same_order() -> None:
    assert list(MODEL) == list(TRAINING) == list(APP)
    pipelines = [task.pipeline for task in MODEL.values()]
    assert len(set(pipelines)) == len(pipelines)


def test_task_that_is_nowhere_lacks_everything(house: House) -> None:
    assert missing(house, "nowhere") == list(PARTS)


def without(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != "text"}


BREAKS: dict[str, Callable[[House], House | None]] = {
    "its three places": lambda house: shutil.rmtree(house.root / "model" / "tasks" / "text"),
    "a line in training's TASKS": lambda house: replace(house, training=without(house.training)),
    "a line in app's TASKS": lambda house: replace(house, app=without(house.app)),
    "a recipe": lambda house: shutil.rmtree(house.root / "configs" / "text"),
    "a card template": lambda house: (house.root / "training" / "tasks" / "text" / "card.md").unlink(),
    "a command": lambda house: replace(house, commands=[c for c in house.commands if c is not APP["text"].command]),
    "a route": lambda house: replace(house, contracts=without(house.contracts)),
    "a Hugging Face handler": lambda house: replace(house, handlers=without(house.handlers)),
    "labels of metrics": lambda house: replace(house, labels=house.labels - {"text"}),
    "a page of the documents": lambda house: (house.root / "docs" / "tasks" / "text.md").unlink(),
    "a view": lambda house: forget_view(house.root / "app" / "web" / "views" / "index.js"),
}
"""Part -> takes it from the task `text`, in a copy of the tree."""


def forget_view(index: Path) -> None:
    lines = index.read_text(encoding="utf-8").splitlines(keepends=True)
    index.write_text("".join(line for line in lines if "./text.js" not in line), encoding="utf-8")


@pytest.mark.parametrize("part", PARTS)
def test_missing_part_is_found(house: House, part: str, tmp_path: Path) -> None:
    for folder in ("model/tasks", "training/tasks", "app/tasks", "app/web", "configs", "docs/tasks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    copy = replace(house, root=tmp_path)
    assert missing(copy, "text") == []
    broken = BREAKS[part](copy) or copy
    also = ["a command"] if part == "a line in app's TASKS" else []
    assert missing(broken, "text") == [part, *also]
    assert missing(broken, "captioning") == []
