"""`recap caption SOURCE --out DIR`: each picture exactly once, whatever stops the run, and always the same bytes."""

import json
import os
import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from app.cli import cli
from app.tasks.captioning.bulk import plan as plans
from app.tasks.captioning.bulk.storage import Folder
from model.tasks.captioning.captioner import Captioner
from tests.conftest import draw_pictures
from tests.forks import Forked, recap_with_shards_of

SIZE, NUMBER = 8, 60
BROKEN = (0, 17, 59)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, checkpoints: Path) -> None:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(checkpoints))
    monkeypatch.setenv("RECAP_THREADS", "1")
    monkeypatch.setenv("RECAP_BATCH_SIZE", "4")
    monkeypatch.setattr(plans, "SIZE", SIZE)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures, three of which are broken. Shared: do not change it."""
    folder, pictures = tmp_path_factory.mktemp("photos"), draw_pictures()
    for number in range(NUMBER):
        file = folder / f"{number:03}.png"
        if number in BROKEN:
            file.write_bytes(b"no picture")
        else:
            pictures[number % len(pictures)].save(file)
    return folder


def recap(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def shards(out: Path) -> dict[str, bytes]:
    """Number of a shard -> its captions."""
    return {file.name.split("-")[1]: file.read_bytes() for file in sorted(out.glob("captions-*.jsonl"))}


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for contents in shards(out).values() for line in contents.splitlines()]


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory, checkpoints: Path) -> dict[str, bytes]:
    """The captions of a run that nothing stops."""
    out = tmp_path_factory.mktemp("whole")
    environment = {"RECAP_CHECKPOINTS": str(checkpoints), "RECAP_THREADS": "1", "RECAP_BATCH_SIZE": "4"}
    with Forked(recap_with_shards_of, SIZE, "caption", str(photos), "--out", str(out), **environment) as process:
        assert process.wait(60) == 1
    return shards(out)


def test_each_picture_has_a_line_in_its_shard(
    photos: Path, tmp_path: Path, pictures: list[Image.Image], served: Captioner
) -> None:
    result = recap("caption", photos, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "pictures with an error in place of a caption: 3" in result.stderr
    found = lines(tmp_path / "out")
    assert [line["file"] for line in found] == [f"{number:03}.png" for number in range(NUMBER)]
    assert [number for number, line in enumerate(found) if "error" in line] == list(BROKEN)
    assert [contents.count(b"\n") for contents in shards(tmp_path / "out").values()] == [SIZE] * 7 + [4]
    expected = served.caption(pictures)
    for number, line in enumerate(found):
        if number not in BROKEN:
            (best,) = expected[number % len(pictures)]
            assert line["caption"] == best.text
            assert line["captions"][0]["confidence"] == pytest.approx(best.confidence, abs=1e-3)


def test_same_command_goes_on_and_touches_nothing_that_is_there(
    photos: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    recap("caption", photos, "--out", out)
    for number in (1, 6):
        next(out.glob(f"captions-{number:06}-*")).unlink()
    before = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    result = recap("caption", photos, "--out", out)
    assert (result.exit_code, shards(out)) == (0, whole)  # the broken ones were told before
    assert "6 of 8 shards are there already" in result.stderr
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert recap("caption", photos, "--out", out).exit_code == 0


def test_killed_anywhere_the_same_command_goes_on(photos: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    out, dice = tmp_path / "out", random.Random(1)
    done: dict[str, bytes] = {}
    for _ in range(4):
        wanted = len(done) + dice.choice((0, 1, 2))
        with Forked(recap_with_shards_of, SIZE, "caption", str(photos), "--out", str(out)) as process:
            until = time.monotonic() + 60
            while len(shards(out)) < wanted or not (out / "plan.json").exists():
                assert time.monotonic() < until
                if process.poll() is not None:
                    break
                time.sleep(0.002)
            time.sleep(dice.random() / 50)
            process.kill()
        assert done.items() <= shards(out).items() <= whole.items()  # what is there is whole, and stays
        done = shards(out)
    (out / ".captions-000007-x.partial").write_text("{")
    assert recap("caption", photos, "--out", out).exit_code in (0, 1)
    assert shards(out) == whole


def test_parts_share_a_run(photos: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    for part in (2, 0, 1):
        recap("caption", photos, "--out", tmp_path / "out", "--shard-index", f"{part}/3")
        there = {int(number) % 3 for number in shards(tmp_path / "out")}
        assert there == {2: {2}, 0: {0, 2}, 1: {0, 1, 2}}[part]
    assert shards(tmp_path / "out") == whole


@pytest.mark.slow
def test_processes_share_a_run(photos: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    result = recap("caption", photos, "--out", tmp_path / "out", "--processes", 2)
    assert result.exit_code == 1
    assert "pictures with an error in place of a caption: 3" in result.stderr
    assert shards(tmp_path / "out") == whole


def test_other_options_over_the_same_folder_are_refused(photos: Path, tmp_path: Path, tagged_checkpoints: Path) -> None:
    out = tmp_path / "out"
    recap("caption", photos, "--out", out, "--shard-index", "0/8")
    before = shards(out)
    for options, difference in (
        (("--beam-size", 5), r'parameters is {}, and not {"beam_size": 5}'),
        (("--checkpoints", tagged_checkpoints), r"model is tiny \(.*\), and not tagged \("),
    ):
        result = recap("caption", photos, "--out", out, *options)
        assert result.exit_code == 2
        assert re.search(difference, result.stderr)
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    assert "source is" in recap("caption", other, "--out", out).stderr
    assert shards(out) == before


def test_captions_of_another_run_are_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recap("caption", photos, "--out", out, "--shard-index", "0/8")
    (out / "captions-000003-0123456789ab.jsonl").write_text("")
    result = recap("caption", photos, "--out", out)
    assert result.exit_code == 2
    assert "is of another run than plan.json there" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--shard-index", "0/2"], "about the shards of --out"),
        (["--processes", "2"], "about the shards of --out"),
        (["--out", "o", "--json"], "neither --json nor --jsonl"),
        (["--out", "o", "--shard-index", "2/2"], "write INDEX/COUNT"),
        (["--out", "o", "--shard-index", "two"], "write INDEX/COUNT"),
        (["--out", "o", "--shard-index", "0/2", "--processes", "2"], "exclude each other"),
        (["--out", "o", "--beam-size", "11"], "beam_size=11"),
        (["--out", "o", "more"], "one source"),
    ],
)
def test_what_cannot_work_is_told_in_a_line(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = recap("caption", photos, *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not (tmp_path / "o").exists()


def test_sources_without_pictures_and_broken_plans_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no pictures in" in recap("caption", tmp_path / "empty", "--out", tmp_path / "o").stderr
    assert "nowhere.tar" in recap("caption", tmp_path / "nowhere.tar", "--out", tmp_path / "o").stderr
    (tmp_path / "o").mkdir(exist_ok=True)
    (tmp_path / "o" / "plan.json").write_text("[]")
    assert "is no plan" in recap("caption", tmp_path / "empty", "--out", tmp_path / "o").stderr


def test_tags_and_alternative_text_are_in_the_lines(photos: Path, tmp_path: Path, tagged_checkpoints: Path) -> None:
    options = ("--checkpoints", tagged_checkpoints, "--tags", "--format", "alt", "--shard-index", "1/8")
    assert recap("caption", photos, "--out", tmp_path / "out", *options).exit_code == 0
    for line in lines(tmp_path / "out"):
        assert line["caption"][0].isupper()
        assert line["tags"]


def test_leftovers_of_killed_processes_are_swept_once_they_are_old(tmp_path: Path) -> None:
    old, new = tmp_path / ".captions-1.host-1.partial", tmp_path / ".captions-2.host-2.partial"
    for file in (old, new):
        file.write_text("x")
    os.utime(old, (0, 0))
    Folder(tmp_path).sweep()
    assert (old.exists(), new.exists()) == (False, True)
