"""The database of finished trials, which several processes fill, and who is at which part of the work."""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import DatabaseError

from training.errors import TrainingError
from training.lab.odyssey.fit import Outcome, Trial
from training.lab.odyssey.search import SPACE, Study, Unit, drawn


class LedgerError(TrainingError):
    """A database that is none, or another study's."""


class Row(NamedTuple):
    """A finished trial: a line of trials.csv."""

    task: str
    cell: str
    number: int
    size: int
    rate: float
    momentum: float
    noise: float
    optimizer: str
    dev: float
    held: float
    epoch: int
    epochs: int
    parameters: int
    seconds: float


class Ledger:
    """An sqlite file with an optuna study for each task and cell, and a lock file beside it.

    Only finished trials are written, and the lock of a process ends with it: a process may be killed at any moment, and
    what it was at is done again by whoever comes next.
    """

    def __init__(self, folder: Path, study: Study) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "trials.sqlite"
        self._locks = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, 0)  # one process makes the tables
        try:
            self._storage = RDBStorage(
                f"sqlite:///{self.path.resolve()}", engine_kwargs={"connect_args": {"timeout": 300}}
            )
            self._require_same(study)
        except DatabaseError as error:
            raise LedgerError(f"{self.path}: no database of a study: {error.orig}") from error
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, 0)

    def close(self) -> None:
        """Closes the files."""
        self._storage.engine.dispose()
        os.close(self._locks)

    def _require_same(self, study: Study) -> None:
        """Trials of other seeds or lengths must not be mixed with those that are there."""
        settings = {"seed": study.seed, "epochs": study.epochs}
        about = self._study("about")
        found = about.user_attrs.get("settings")
        if found is None:
            about.set_user_attr("settings", settings)
        elif found != settings:
            was = ", ".join(f"{name} {json.dumps(value)}" for name, value in found.items())
            raise LedgerError(f"{self.path} was begun with {was}; use the same, or another folder for --out")

    def _study(self, name: str) -> optuna.Study:
        return optuna.create_study(study_name=name, storage=self._storage, load_if_exists=True)

    @contextmanager
    def claim(self, unit: Unit) -> Iterator[bool]:
        """Yields whether nobody else is at this unit; if so, it is the caller's until the block ends."""
        name = f"{unit.task} {unit.cell} {unit.trials[0].number}"
        at = 1 + zlib.crc32(name.encode())  # a byte of its own, which need not be in the file
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, at)

    def add(self, task: str, cell: str, trial: Trial, outcome: Outcome) -> None:
        """Writes a finished trial."""
        about = {"number": trial.number, "momentum": trial.momentum, **outcome._asdict()}
        finished = create_trial(params=drawn(trial), distributions=SPACE, value=outcome.dev, user_attrs=about)
        self._study(f"{task} {cell}").add_trial(finished)

    def rows(self, task: str, cell: str) -> list[Row]:
        """The finished trials of a cell on a task, by their numbers."""
        found: dict[int, Row] = {}
        for trial in self._study(f"{task} {cell}").get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            values = {**trial.params, **trial.user_attrs}
            found[values["number"]] = Row(task, cell, *(values[name] for name in Row._fields[2:]))
        return [found[number] for number in sorted(found)]
