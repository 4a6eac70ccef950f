"""Files that training meets: all that are broken are named before the work, and a full disk is told in words."""

import os
import resource
import shutil
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import FullDisk
from tests.forks import begin
from tests.training.conftest import Finished, RecipeOf, folders, recap_train, run_command
from training.cache import new_array
from training.data.base import DataError
from training.evaluate import write_json
from training.tasks import TASKS

BROKEN = {"3_picture.jpg": "cut", "17_picture.jpg": "pipe", "22_picture.jpg": "text", "30_picture.jpg": "gone"}
"""Three pictures of train, and the last of dev, by what is done to them."""
OBJECTIVES = [name for task in TASKS.values() for name in task.objectives]


@pytest.fixture
def broken_data(tiny_data: Path, tmp_path: Path) -> Path:
    """A data set with pictures that can't be read."""
    data = Path(shutil.copytree(tiny_data, tmp_path / "broken"))
    for name, damage in BROKEN.items():
        file = data / "Flicker8k_Dataset" / name
        content = file.read_bytes()
        file.unlink()
        if damage == "pipe":
            os.mkfifo(file)
        elif damage == "gone":
            file.symlink_to("/dev/zero")
        else:
            file.write_bytes(content[: len(content) // 2] if damage == "cut" else b"text")
    return data


def named(errors: str) -> set[str]:
    return {name for name in (f"{number}_picture.jpg" for number in range(32)) if f"/{name}: " in errors}


@pytest.mark.usefixtures("no_java")
@pytest.mark.parametrize(
    ("objective", "options"),
    [
        ("cross-entropy", []),
        ("tuning", []),
        ("tuning", ["--set", 'distillation.teachers=["CHECKPOINT"]']),
        ("self-critical", []),
    ],
)
def test_training_names_all_broken_pictures_before_it_works(
    recipe_of: RecipeOf,
    objective: str,
    options: list[str],
    broken_data: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [option.replace("CHECKPOINT", str(tiny_checkpoint)) for option in options]
    command = ["train", "--config", str(recipe_of(objective)), "--set", f"data.path={broken_data}", *options]
    assert run_command(*command) == 1
    errors = capsys.readouterr().err
    assert "recap-train: 4 of 32 pictures can't be read" in errors
    assert named(errors) == BROKEN.keys()
    assert not list(tmp_path.rglob("grids.npy"))


@pytest.mark.usefixtures("no_java")
def test_teachers_are_not_asked_beside_broken_pictures(
    tiny_recipe: Path, broken_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--config", str(tiny_recipe), "--set", "training.epochs=1"]
    assert run_command(*command) == 0
    teachers = f'distillation.teachers=["{tmp_path / "checkpoint"}"]'
    command += ["--set", f"run={tmp_path / 'second'}", "--set", f"data.path={broken_data}", "--set", teachers]
    assert run_command(*command) == 1
    assert named(capsys.readouterr().err) == BROKEN.keys()
    assert not list((tmp_path / "second").rglob("*.npy"))


@pytest.mark.usefixtures("no_java")
def test_every_command_names_all_broken_pictures(
    broken_data: Path, tiny_checkpoint: Path, tiny_recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = [name for name in BROKEN if int(name.split("_")[0]) >= 24]
    scored = ("--checkpoint", str(tiny_checkpoint), "--data", str(broken_data))
    for command, names in (
        (["features", "--config", str(tiny_recipe), "--set", f"data.path={broken_data}"], list(BROKEN)),
        (["evaluate", *scored], dev),
        (["evaluate", *scored, "--split", "train"], [name for name in BROKEN if name not in dev]),
        (["evaluate", *scored, "--checkpoint", str(tiny_checkpoint)], dev),
        (["calibrate", *scored], dev),
    ):
        assert run_command(*command) == 1, command
        errors = capsys.readouterr().err
        assert f"recap-train: {len(names)} of " in errors
        assert named(errors) == set(names), command


def limited(size: int, errors: Connection, *arguments: str) -> None:
    """`recap-train` where no file may become larger; its errors go to a pipe, which has no size."""
    os.dup2(errors.fileno(), sys.stderr.fileno())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    recap_train(*arguments)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_full_disk_is_told_and_leaves_what_was_there(
    recipe_of: RecipeOf, finished: Finished, objective: str, tmp_path: Path
) -> None:
    path = recipe_of(objective)
    folder = finished(path).run.parent
    own = [f"--set={option}" for option in folders(path, folder)]
    kept = [file for file in folder.rglob("*") if file.is_file() and "tfevents" not in file.name]
    before = {file: file.read_bytes() for file in kept}
    assert {"state.safetensors", "best.safetensors", "model.safetensors"} <= {file.name for file in kept}
    command = ["train", "--config", str(path), *own]
    fresh = [*command, "--set", f"run={tmp_path / 'fresh'}"]
    # A checkpoint, a state, a log to write.
    for size, arguments in ((5000, [*command, "--resume"]), (5000, fresh), (10, fresh)):
        reader, writer = Pipe(duplex=False)
        process = begin(limited, size, writer, *arguments, PATH="/nowhere")
        writer.close()
        with os.fdopen(os.dup(reader.fileno())) as stream:
            errors = stream.read()
        process.join(100)
        assert process.exitcode == 1
        told = [line for line in errors.splitlines() if line.startswith("recap-train: ")]
        assert told
        assert all("ile too large" in line for line in told)
        assert "Traceback" not in errors
        assert {file: file.read_bytes() for file in kept} == before
        for place in (folder, tmp_path):
            assert not [file for file in place.rglob("*") if file.name.startswith(".") or "partial" in file.name]


def test_an_array_that_the_disk_has_no_room_for_is_refused(tmp_path: Path, full_disk: FullDisk) -> None:
    path = tmp_path / "grids.npy"
    with full_disk(100_000):
        with pytest.raises(OSError, match=r"File too large: .*grids\.npy"):
            new_array(path, np.float16, (100, 1000))
        assert not path.exists()
        new_array(path, np.float16, (10, 1000))[:] = 1
    assert (np.load(path) == 1).all()


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null", "pipe"])
def test_a_device_is_not_replaced_by_a_report(tmp_path: Path, device: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        write_json({"CIDEr": 0.75}, tmp_path / device)
    assert not (tmp_path / device).is_file()
