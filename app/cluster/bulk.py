"""A run over a plan's shards on a cluster: Ray places the shards, and actors read, caption and write them.

No picture passes through Ray's object store: a row is the number of a shard. What is done is there, so an actor or a
node that is lost costs the shard that it was at, and a driver that is killed costs nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import ray.data
from ray.data import ActorPoolStrategy, DataContext

from app.serving.registry import Registry
from app.settings import Settings
from app.tasks import PREFERRED
from app.tasks.captioning.bulk.captioner import ShardCaptioner
from app.tasks.captioning.bulk.plan import Plan
from app.tasks.captioning.bulk.run import Done
from app.tasks.captioning.parameters import CaptionerCheckpoint
from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING

Batch = dict[str, Any]
"""Columns of rows: name -> array."""


class ShardActor:
    """An actor that captions shards, one at a time.

    Args:
        plan: the run's plan.
        model: the checkpoint's folder, if nodes have it there; else they take the one of its name that they have.
        settings: the driver's settings, with the threads of an actor.
    """

    def __init__(self, plan: Plan, model: str, settings: Settings) -> None:
        self._plan = plan
        self._captioner = ShardCaptioner(plan, find(plan, Path(model), settings), settings)

    def __call__(self, batch: Batch) -> Batch:
        (number,) = batch["shard"].tolist()
        if self._plan.place.has(name := self._plan.file(number)):  # what was said of it was lost with a node
            lines = [json.loads(line) for line in self._plan.place.read(name).splitlines()]
            return row(shard=number, pictures=len(lines), errors=sum("error" in line for line in lines))
        ((shard, errors),) = self._captioner.run([number])
        return row(shard=number, pictures=len(shard.rows), errors=errors)


def row(**values: int) -> Batch:
    """A row of numbers."""
    return {name: numpy.array([value]) for name, value in values.items()}


def find(plan: Plan, model: Path, settings: Settings) -> CaptionerCheckpoint:
    """The plan's model on this node; raises what `Registry` does."""
    if model.is_dir():
        return Checkpoint.open(model).expect(CAPTIONING)
    folder = settings.model_copy(update={"checkpoints": None}).checkpoint_folder()
    return Registry.open(folder, None, PREFERRED).find(CAPTIONING, plan.model["name"])


def caption_on_cluster(
    plan: Plan, model: Path, settings: Settings, actors: tuple[int, int], cpus: int
) -> Iterator[Done]:
    """Captions the shards that are to do, on the cluster that this process is connected to.

    Args:
        plan: the run's plan, whose places all nodes can reach.
        model: the checkpoint's folder.
        settings: for the actors.
        actors: fewest and most of them.
        cpus: CPUs of each, which are its threads.

    Raises:
        ray.exceptions.RayError: an actor had an error that is not Ray's own.
    """
    todo = plan.todo()
    if not todo:
        return
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    shared = settings.model_copy(update={"threads": cpus})
    rows = ray.data.from_items([{"shard": number} for number in todo], override_num_blocks=len(todo))
    done = rows.map_batches(
        ShardActor,
        batch_size=1,  # of one shard, so that what is lost and sent again is one
        num_cpus=cpus,
        fn_constructor_kwargs={"plan": plan, "model": str(model.absolute()), "settings": shared},
        compute=ActorPoolStrategy(
            min_size=min(actors[0], len(todo)), max_size=min(actors[1], len(todo)), max_tasks_in_flight_per_actor=2
        ),
    )
    for found in done.iter_rows():  # by default, Ray Data starts lost actors again, and sends them what they had
        yield Done(found["pictures"], found["errors"])
