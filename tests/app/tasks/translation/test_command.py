"""`recap translate`: texts, files, standard input, JSON, and lines that are gone on with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from tests.conftest import GERMAN, SENTENCES


@pytest.fixture
def run(tiny_translator_checkpoint: Path):  # type: ignore[no-untyped-def]
    """Runs the command with the folder of `tiny-en-de`: `run(*arguments, input=None)` returns exit code and output."""

    def run(*arguments: str, input: str | None = None) -> tuple[int, str]:
        folder = tiny_translator_checkpoint.parent
        result = CliRunner().invoke(cli, ["translate", *arguments, "--checkpoints", str(folder)], input=input)
        return result.exit_code, result.output

    return run


def test_texts_are_translated(run) -> None:  # type: ignore[no-untyped-def]
    assert run(SENTENCES[0], SENTENCES[3]) == (0, f"{GERMAN[0]}\n{GERMAN[3]}\n")


def test_lines_of_standard_input_are_translated(run) -> None:  # type: ignore[no-untyped-def]
    assert run(input=f"{SENTENCES[0]}\n\n{SENTENCES[1]}\n") == (0, f"{GERMAN[0]}\n\n{GERMAN[1]}\n")


def test_lines_end_at_line_breaks_alone(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lines = [f"{SENTENCES[0]}\f{SENTENCES[1]}", f"{SENTENCES[2]}\u2028"]
    (tmp_path / "in.txt").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    code, output = run("--file", str(tmp_path / "in.txt"), "--json")
    assert (code, [answer["text"] for answer in json.loads(output)]) == (0, lines)


def test_json_has_alternatives(run) -> None:  # type: ignore[no-untyped-def]
    code, output = run(SENTENCES[0], "--json", "--num-translations", "3", "--beam-size", "4")
    (answer,) = json.loads(output)
    assert code == 0
    assert answer["text"] == SENTENCES[0]
    assert answer["translation"] == answer["translations"][0]["text"] == GERMAN[0]
    assert len(answer["translations"]) == 3
    assert answer["unknown"] == []
    assert answer["translations"][0].keys() == {"text", "logprob", "confidence"}


def test_file_goes_on_where_it_stopped(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    assert run("--file", str(source), "--jsonl", str(out)) == (0, "")
    whole = out.read_bytes()
    assert [json.loads(line)["translation"] for line in whole.splitlines()] == list(GERMAN)

    code, output = run("--file", str(source), "--jsonl", str(out))
    assert (code, "is not empty; go on with --resume" in output) == (2, True)

    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:2]) + lines[2][:10])  # killed in the third
    assert run("--file", str(source), "--jsonl", str(out), "--resume") == (0, "")
    found = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert [answer["translation"] for answer in found] == list(GERMAN)

    source.write_text("Something else.\n", encoding="utf-8")
    code, output = run("--file", str(source), "--jsonl", str(out), "--resume")
    assert (code, "line 1: not the answer to line 1" in output) == (2, True)


def test_a_text_that_fails_does_not_stop_the_others(run) -> None:  # type: ignore[no-untyped-def]
    code, output = run("a \x01 dog", SENTENCES[0], "", "Который час?", "--jsonl", "-")
    control, good, empty, strange = (json.loads(line) for line in output.splitlines())
    assert code == 1
    assert control["text"] == "a \x01 dog"
    assert control["error"]["message"] == "the text has the control character U+0001 at place 3; take it out"
    assert (good["translation"], empty["translation"]) == (GERMAN[0], "")
    assert "is in letters that the model has never seen" in strange["error"]["message"]
    code, output = run("Который час?", SENTENCES[0])
    assert (code, output.splitlines()[1:]) == (1, ["", GERMAN[0]])


def test_words_that_were_never_read_are_told(run) -> None:  # type: ignore[no-untyped-def]
    _, output = run("A brown Wolpertinger runs.", "--json")
    assert json.loads(output)[0]["unknown"] == ["wolpertinger"]


def test_a_dash_is_standard_input(run) -> None:  # type: ignore[no-untyped-def]
    assert run("-", input=f"{SENTENCES[0]}\n") == (0, f"{GERMAN[0]}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--jsonl", "x", "a"], "--json and --jsonl exclude each other"),
        (["--resume", "a"], "--resume goes on with the file of --jsonl"),
        (["--file", "x", "a"], "--file and texts exclude each other"),
        (["--file", "nowhere.txt"], "nowhere.txt: no such file or directory"),
        ([], "no text; give one, or a file"),
        (["a \udcff dog"], "the text is not utf-8, from character 2 on"),
        (["a", "--jsonl", "-", "--resume"], "--resume goes on with the file of --jsonl"),
        (["a", "--model", "nobody"], "there is no model 'nobody'; there is tiny-en-de"),
    ],
)
def test_mistakes_are_named(run, arguments: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    code, output = run(*arguments, input="")
    assert code == 2
    assert message in output
