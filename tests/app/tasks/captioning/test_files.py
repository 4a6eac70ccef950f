"""The file of answers: every name is read back, what is written is whole, and no other file is touched."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from app.tasks.captioning.files import AnswerLog, AnswerLogError, Line
from tests.conftest import FullDisk

NAMES = ["a.jpg", "caf\udce9.jpg", "\udcff\udc80.png", "дом/猫.jpg", 'quote".jpg', "back\\slash.jpg", "line\nbreak.jpg"]


def answers() -> list[Line]:
    good = [{"file": name, "caption": "a dog", "captions": [{"text": "a dog", "logprob": -1.0}]} for name in NAMES]
    return [*good, {"file": "bad.jpg", "error": {"code": "not_an_image", "message": "no picture"}}]


def write(path: Path, lines: list[Line], *, resume: bool = False) -> AnswerLog:
    with closing(AnswerLog(path, resume=resume)) as log:
        for line in lines:
            log.write(line)
    return log


def test_names_of_any_bytes_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(path, answers())
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == answers()
    assert write(path, [], resume=True).answered == {**dict.fromkeys(NAMES, True), "bad.jpg": False}


def test_a_line_cut_anywhere_is_written_again(tmp_path: Path) -> None:
    path, lines = tmp_path / "out.jsonl", answers()[-3:]
    write(path, lines)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for kept in (0, *range(len('{"file": "'), len(whole))):  # of the first line, less does not say whose file it is
        path.write_bytes(whole[:kept])
        log = AnswerLog(path, resume=True)
        for line in lines:
            if line["file"] not in log.answered:
                log.write(line)
        log.close()
        assert path.read_bytes() == whole, kept
        assert len(log.answered) >= (kept >= first)


@pytest.mark.parametrize(
    "content",
    [
        '{"important": 1}',
        '{"important": 1}\n',
        '{"file": "x", "important": 1}',
        '{"file": "x", "important": 1',
        '{"file": "x"}',
        '{"file": "x", "caption": "mine", "references": []}\n',
        '{"file": 5, "caption": "x", "captions": []}\n',
        "{",
        "[1, 2",
        "important",
        "\0\0\0",
        "\n",
        "[" * 100_000,
        '{"file": "x", "caption": "mine", "captions": []}\nimportant',
        '{"file": "x", "caption": "mine", "captions": []}\n{"important": 1}',
        '{"file": "x", "caption": "mine", "captions": []}\n{"file": "x", "caption": "mine"\n',
    ],
)
def test_a_file_that_is_not_ours_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content)
    for resume in (True, False):
        with pytest.raises(
            AnswerLogError, match=rf"settings\.json(, line {content.count(chr(10), 0, -1) + 1}:| is not)"
        ):
            AnswerLog(path, resume=resume)
        assert path.read_text() == content


def test_an_answer_that_lacks_its_line_break_alone_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(path, answers()[:1])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert write(path, answers()[1:], resume=True).answered == {NAMES[0]: True}
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == answers()


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, full_disk: FullDisk) -> None:
    path, lines = tmp_path / "out.jsonl", answers()
    with full_disk(300), pytest.raises(AnswerLogError, match=r"out\.jsonl: File too large; go on with --resume"):
        write(path, lines)
    kept = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert 0 < len(kept) < len(lines)
    assert kept == lines[: len(kept)]
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero", "/dev/null", "pipe"])
def test_only_a_regular_file_is_written(tmp_path: Path, device: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for resume in (True, False):
        with pytest.raises(OSError, match="not a regular file"):
            AnswerLog(tmp_path / device, resume=resume)
