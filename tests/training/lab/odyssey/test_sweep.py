"""The study as a whole: stopped, killed, shared, resumed, reported."""

import csv
import shutil
import sqlite3
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.forks import begin
from tests.training.conftest import recap_train
from training.cli import app
from training.lab.odyssey.ledger import Ledger, LedgerError, Row
from training.lab.odyssey.search import Study, units
from training.lab.odyssey.sweep import finished, run

STUDY = Study(cells=("lstm-peephole", "lstm-nfg"), tasks=("chorales",), trials=3, epochs=2)


def scores(out: Path, study: Study = STUDY) -> list[Row]:
    return [row._replace(seconds=0, dev=round(row.dev, 3), held=round(row.held, 3)) for row in finished(study, out)]


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study run through."""
    out = tmp_path_factory.mktemp("done")
    assert run(STUDY, data, out)
    return out


def test_every_trial_has_a_row(done: Path) -> None:
    rows = finished(STUDY, done)
    assert [(row.cell, row.number) for row in rows] == [(cell, n) for cell in STUDY.cells for n in range(3)]
    planned = {(unit.cell, trial.number): trial for unit in units(STUDY) for trial in unit.trials}
    for row in rows:
        trial = planned[row.cell, row.number]
        assert row[3:8] == pytest.approx(trial[1:6])
        assert row.epochs == 2


def test_what_is_there_is_not_done_again(done: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    with sqlite3.connect(out / "trials.sqlite") as database:  # as if it had been killed between two rows of a unit
        (last,) = database.execute("SELECT MAX(trial_id) FROM trials").fetchone()
        for table in ("trial_params", "trial_values", "trial_user_attributes", "trials"):
            database.execute(f"DELETE FROM {table} WHERE trial_id = ?", (last,))
    database.close()
    before = finished(STUDY, out)
    assert len(before) == 5
    assert run(STUDY, data, out)
    after = finished(STUDY, out)
    assert set(before) < set(after)  # with the seconds that they took
    assert scores(out) == scores(done)


def test_more_trials_are_added(done: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    more = STUDY.model_copy(update={"trials": 4})
    assert run(more, data, out)
    assert [row for row in scores(out, more) if row.number < 3] == scores(done)
    assert len(finished(more, out)) == 8


def test_another_study_is_refused(done: Path, data: Path) -> None:
    with pytest.raises(LedgerError, match="was begun with seed 1, epochs 2; use the same, or another folder"):
        run(STUDY.model_copy(update={"seed": 2}), data, done)


def test_a_file_that_is_no_database_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "trials.sqlite").write_text("this is no database, but it is long enough to be taken for one" * 20)
    with pytest.raises(LedgerError, match=r"trials\.sqlite: no database of a study: file is not a database"):
        run(STUDY, data, tmp_path)


def command(data: Path, out: Path, *more: str) -> list[str]:
    options = ["--data", str(data), "--out", str(out), "--task", "chorales", "--trials", "3", *more]
    return ["lab", "odyssey", *options, "--cell", "lstm-peephole", "--cell", "lstm-nfg", "--epochs"]


def hold(out: Path, told: Connection) -> None:
    """Holds the first unit's lock, tells whether it has it, and does not let go of it; a process's work."""
    with Ledger(out, STUDY).claim(next(units(STUDY))) as ours:
        told.send(ours)
        told.recv()


def test_a_unit_at_which_somebody_is_is_left_to_them(done: Path, data: Path, tmp_path: Path) -> None:
    """Another process holds a lock, and is killed: the lock ends with it."""
    here, there = Pipe()
    other = begin(hold, tmp_path, there)
    assert here.poll(60)
    assert here.recv()
    ledger = Ledger(tmp_path, STUDY)
    with ledger.claim(next(units(STUDY))) as ours:
        assert not ours
    ledger.close()
    assert not run(STUDY, data, tmp_path)
    assert len(finished(STUDY, tmp_path)) == 3
    other.kill()
    other.join(10)
    assert run(STUDY, data, tmp_path)
    assert scores(tmp_path) == scores(done)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(data: Path, tmp_path: Path) -> None:
    study = STUDY.model_copy(update={"epochs": 40})
    processes = [begin(recap_train, *command(data, tmp_path), "40") for _ in range(2)]
    while not (tmp_path / "trials.sqlite").exists() and processes[0].is_alive():
        time.sleep(0.1)
    time.sleep(1)
    for process in processes:
        process.kill()
        process.join(10)
    assert run(study, data, tmp_path)
    other = tmp_path / "other"
    assert run(study, data, other)
    assert [row[:3] for row in finished(study, tmp_path)] == [row[:3] for row in finished(study, other)]
    for ours, theirs in zip(finished(study, tmp_path), finished(study, other), strict=True):
        assert ours.dev == pytest.approx(theirs.dev, rel=1e-3)


def test_the_command_writes_tables_pictures_and_a_page(done: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    answer = CliRunner().invoke(app, [*command(data, out), "2"], catch_exceptions=False)
    assert answer.exit_code == 0
    page = (out / "odyssey.md").read_text()
    assert page in answer.stdout
    assert "| `lstm-nfg` | 3 |" in page
    with (out / "trials.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["cell"], float(row["held"])) for row in table] == [
        (row.cell, row.held) for row in finished(STUDY, out)
    ]
    for name in ("comparisons.csv", "importances.csv", "costs.csv"):
        with (out / name).open(newline="") as file:
            assert list(csv.DictReader(file))
    for name in ("scores.png", "importances.png", "costs.png"):
        with Image.open(out / name) as picture:
            pixels: set[Any] = set(picture.convert("RGB").get_flattened_data())
            assert len(pixels) > 20
            assert all(max(pixel) - min(pixel) < 10 for pixel in pixels)  # readable in black and white


def test_a_report_needs_something_to_compare_with(data: Path, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, [*command(data, tmp_path, "--report"), "2"])
    assert answer.exit_code == 1
    assert "0 trials of lstm-peephole on phones" in str(answer.exception)


def test_the_command_names_unknown_cells(data: Path, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["lab", "odyssey", "--data", str(data), "--out", str(tmp_path), "--cell", "lstn"])
    assert answer.exit_code == 2
    assert "no cell 'lstn'" in " ".join(answer.output.replace("│", " ").split())
