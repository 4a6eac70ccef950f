"""`recap classify`: texts from arguments, standard input and files, for people and for programs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli

TIME, RIVER = "what time is it in lima", "which river flows through lima"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, intent_checkpoints: Path) -> None:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(intent_checkpoints))
    monkeypatch.setenv("RECAP_THREADS", "1")


def recap(*arguments: object, given: str | bytes | None = None) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(cli, ["classify", *words], input=given, catch_exceptions=False)


def test_people_read_titles() -> None:
    result = recap(TIME, "--top-k", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    first, second = result.stdout.splitlines()
    assert first.strip().endswith("%  Asking for the time (time)")
    assert second.strip().endswith(")")
    lines = recap(TIME, RIVER).stdout.splitlines()
    assert (lines[0], lines[5]) == (TIME, RIVER)
    assert "Something else (out_of_scope); the nearest are" in lines[6]


def test_programs_read_json() -> None:
    answers = json.loads(recap(TIME, RIVER, "--json").stdout)
    assert [answer["intent"] for answer in answers] == ["time", "out_of_scope"]
    assert set(answers[0]) == {"text", "intent", "title", "confidence", "in_scope", "ranking"}
    assert answers[1]["in_scope"] is False


def test_words_are_explained() -> None:
    (answer,) = json.loads(recap(TIME, "--explain", "--json").stdout)
    assert [word["word"] for word in answer["explanation"]] == TIME.split()
    shown = recap(f"{TIME}x", "--explain").stdout
    assert "limax" in shown
    assert "a word never seen" in shown


def test_texts_come_from_files_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text(f"\ufeff{RIVER}\n\n  \nthanks\n")
    result = recap(TIME, "-", "--file", tmp_path / "queries.txt", "--jsonl", "-", given="book a flight to oslo\n")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["text"] for answer in answers] == [TIME, "book a flight to oslo", RIVER, "thanks"]
    file = tmp_path / "answers.jsonl"
    assert recap("--file", tmp_path / "queries.txt", "--jsonl", file).stdout == ""
    assert [json.loads(line)["intent"] for line in file.read_text().splitlines()] == ["out_of_scope", "thank_you"]
    again = recap(TIME, "--jsonl", file)
    assert (again.exit_code, again.stderr) == (2, f"error: {file} is not empty; remove it, or name another\n")


def test_a_text_that_fails_does_not_stop_the_others() -> None:
    result = recap("a" * 2000, TIME, "--jsonl", "-")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert result.exit_code == 1
    assert first == {
        "text": "a" * 100,
        "error": {
            "code": "invalid_parameter",
            "message": "text has 2,000 characters; at most 1,000 are read, so send what is asked for alone",
        },
    }
    assert second["intent"] == "time"
    assert recap("time\x01").stderr.startswith("error: text has the control character U+0001 at place 5")


def test_argument_that_is_no_text_is_told() -> None:
    for options in ([], ["--json"], ["--jsonl", "-"]):
        result = recap("what \udcff time", TIME, *options)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == "error: the text is not utf-8, from character 5 on\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "there is no text; write one, - for standard input, or --file FILE"),
        (["--file", "nowhere.txt"], "nowhere.txt: No such file or directory"),
        (["time", "--json", "--jsonl", "x"], "--json and --jsonl exclude each other"),
        (["time", "--model", "nobody"], "there is no model 'nobody'; there is tiny-intents"),
        (["time", "--jsonl", "nowhere/x"], "nowhere/x: No such file or directory"),
    ],
)
def test_what_cannot_work_is_told_in_a_line(arguments: list[str], reason: str) -> None:
    result = recap(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {reason}\n"


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    result = recap("--file", tmp_path / "picture.png")
    assert result.exit_code == 2
    assert "picture.png is not UTF-8: invalid start byte at byte 0" in result.stderr
