"""The whole study, trial after trial: any number of processes share it, and each may be stopped at any time."""

from pathlib import Path

import optuna
import torch
from tqdm import tqdm

from training.lab.odyssey.fit import fit
from training.lab.odyssey.ledger import Ledger, Row
from training.lab.odyssey.problem import Problem
from training.lab.odyssey.search import Study, Unit, open_problem, units


def run(study: Study, data: Path, out: Path) -> bool:
    """Trains what is not done yet and nobody else is at. True if the study is complete then.

    One thread computes: to use more cores, start more processes.

    Raises:
        DataError: a data set is missing or broken.
        LedgerError: the folder has another study.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    problems: dict[str, Problem] = {}
    done: dict[tuple[str, str], int] = {}
    ledger = Ledger(out, study)
    try:
        total = len(study.tasks) * len(study.cells) * study.trials
        with tqdm(desc="odyssey", total=total, unit="trial", disable=None) as bar:
            for unit in units(study):
                with ledger.claim(unit) as ours:
                    if ours:
                        _finish(unit, study, data, ledger, problems)
                done[unit.task, unit.cell] = len(ledger.rows(unit.task, unit.cell))  # with other processes' rows
                bar.n = sum(done.values())
                bar.set_postfix_str(f"{unit.task}, {unit.cell}", refresh=True)
        return len(_rows(study, ledger)) == total
    finally:
        ledger.close()


def _finish(unit: Unit, study: Study, data: Path, ledger: Ledger, problems: dict[str, Problem]) -> None:
    """Trains a unit's trials that have no row yet, side by side."""
    there = {row.number for row in ledger.rows(unit.task, unit.cell)}
    missing = [trial for trial in unit.trials if trial.number not in there]
    if not missing:
        return
    if unit.task not in problems:
        problems.clear()  # tasks come one after the other
        problems[unit.task] = open_problem(unit.task, data)
    outcomes = fit(unit.cell, problems[unit.task], missing, seed=study.seed, epochs=study.epochs)
    for trial, outcome in zip(missing, outcomes, strict=True):
        ledger.add(unit.task, unit.cell, trial, outcome)


def _rows(study: Study, ledger: Ledger) -> list[Row]:
    return [
        row
        for task in study.tasks
        for cell in study.cells
        for row in ledger.rows(task, cell)
        if row.number < study.trials
    ]


def finished(study: Study, out: Path) -> list[Row]:
    """The rows that are there."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ledger = Ledger(out, study)
    try:
        return _rows(study, ledger)
    finally:
        ledger.close()
