"""A run over a plan's shards, in this process or in several, with a bar that shows how far it is."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from app.settings import Settings
from app.tasks.captioning.bulk.captioner import ShardCaptioner
from app.tasks.captioning.bulk.plan import Plan
from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING

_RESTARTS = 3
"""Most processes that are started in place of killed ones."""


@dataclass(frozen=True)
class Done:
    """A shard whose captions are there."""

    pictures: int
    errors: int


def caption_here(plan: Plan, model: Path, settings: Settings, part: int = 0, parts: int = 1) -> Iterator[Done]:
    """Captions the shards that are to do, or a part of them, in this process.

    Raises:
        PlanError, CheckpointError, ValueError: it can't begin.
        StorageError, OSError: something can't be read or written now; what is done stays.
    """
    if todo := plan.todo(part, parts):
        with ShardCaptioner(plan, Checkpoint.open(model).expect(CAPTIONING), settings) as captioner:
            for shard, errors in captioner.run(todo):
                yield Done(len(shard.rows), errors)


class WorkError(Exception):
    """A process that could not go on; the message is that of its error."""


def caption_in_processes(plan: Plan, model: Path, settings: Settings, processes: int) -> Iterator[Done]:
    """Captions the shards that are to do in so many processes, which share the cores.

    A process that is killed is replaced, and the one in its place does the shard again that was not there yet.

    Raises:
        WorkError: a process had an error, or too many were killed.
    """
    threads = max(1, (settings.threads or torch.get_num_threads()) // processes)
    shared = settings.model_copy(update={"threads": threads})
    context = multiprocessing.get_context("spawn")

    def start(part: int) -> tuple[Connection, int, BaseProcess]:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(theirs, plan.out, model, shared, part, processes), daemon=True)
        process.start()
        theirs.close()  # so that it ends when the process does
        return ours, part, process

    running = [start(part) for part in range(processes)]
    killed = 0
    try:
        while running:
            for connection in wait([ours for ours, *_ in running]):
                (worker,) = (worker for worker in running if worker[0] is connection)
                _, part, process = worker
                try:
                    told = worker[0].recv()
                except EOFError:
                    running.remove(worker)
                    process.join()
                    if process.exitcode:
                        killed += 1
                        if killed > _RESTARTS:
                            message = f"{killed} processes were killed, the last by signal {-process.exitcode}"
                            raise WorkError(f"{message}; the same command goes on where they stopped") from None
                        running.append(start(part))
                    continue
                if isinstance(told, str):
                    raise WorkError(told)
                yield told
    finally:
        for _, _, process in running:
            process.terminate()
        for _, _, process in running:
            process.join()


def _work(connection: Connection, out: str, model: Path, settings: Settings, part: int, parts: int) -> None:
    """Does a part of the shards, and tells each that is done, or in words why it can't go on."""
    with suppress(KeyboardInterrupt, BrokenPipeError):  # the terminal's, or the parent is gone
        try:
            for done in caption_here(Plan.open(out), model, settings, part, parts):
                connection.send(done)
        except BrokenPipeError:
            raise
        except Exception as error:
            connection.send(f"{type(error).__name__}: {error}" if not str(error) else str(error))


def follow(plan: Plan, todo: int, results: Iterator[Done], show: Callable[[str], Any]) -> int:
    """Shows a bar of a run's pictures on standard error, if that is a terminal, and returns how many have errors."""
    from tqdm import tqdm

    there = plan.shards - todo
    if there:
        show(f"{there:,} of {plan.shards:,} shards are there already")
    errors = 0
    with tqdm(total=todo * plan.size, unit="picture", disable=None, file=sys.stderr) as bar:
        for done in results:
            errors += done.errors
            bar.update(done.pictures)
    return errors
