"""`recap generate`: text on the command line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from model.tasks.text.language import LanguageModel
from tests.app.conftest import alone

COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, both_checkpoints: Path) -> None:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(both_checkpoints))
    monkeypatch.setenv("RECAP_THREADS", "1")


def recap(*arguments: object, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(
        cli, ["generate", *(str(argument) for argument in arguments)], input=given, catch_exceptions=False
    )


def test_prompt_and_text_are_printed(served_text: LanguageModel) -> None:
    result = recap("--model", "tiny-text", "--prompt", "The woman", "--seed", 4)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"The woman{alone(served_text, 'The woman', seed=4)}\n"
    assert recap("--prompt", "The woman", "--seed", 4, "--stream").stdout == result.stdout
    assert recap("--prompt", "-", "--seed", 4, given="The woman").stdout == result.stdout


def test_every_parameter_reaches_the_model(served_text: LanguageModel, both_checkpoints: Path) -> None:
    parameters: dict[str, Any] = {
        "max_tokens": 60,
        "temperature": 1.4,
        "top_k": 8,
        "top_p": 0.9,
        "repetition_penalty": 1.3,
        "seed": 6,
    }
    options = [part for name, value in parameters.items() for part in (f"--{name.replace('_', '-')}", value)]
    result = recap("--model", both_checkpoints / "tiny-text", "--prompt", "A", *options, "--stop", "zq", "--json")
    answer = json.loads(result.stdout)
    assert answer == {
        "model": "tiny-text",
        "prompt": "A",
        "text": alone(served_text, "A", **parameters),
        "finish_reason": "length",
    }
    stop = answer["text"][10:13]
    stopped = json.loads(recap("--prompt", "A", *options, "--stop", "zq", "--stop", stop, "--json").stdout)
    assert stopped["finish_reason"] == "stop"
    assert stopped["text"] == answer["text"][: answer["text"].index(stop)]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--model", "tiny"], "tiny is a captioner, a language model is needed; there is tiny-text"),
        (["--model", "nobody"], "there is no model 'nobody'; there is tiny-text"),
        (["--checkpoints", "nowhere"], "nowhere: no such folder"),
        (["--temperature", "3"], "temperature=3.0: input should be less than or equal to 2"),
        (["--top-p", "0"], "top_p=0.0: input should be greater than 0"),
        (["--stop", ""], "stop=('',): string should have at least 1 character"),
        (["--stream", "--json"], "exclude each other"),
    ],
)
def test_what_cannot_work_is_told_in_a_line(arguments: list[str], reason: str) -> None:
    result = recap(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_stream_comes_as_it_is_written_and_ends_with_ctrl_c() -> None:
    command = [*COMMAND, "generate", "--prompt", "A", "--max-tokens", "10000000", "--stream"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the child would ignore it if these tests do
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout
        assert process.stderr
        assert len(process.stdout.read(200)) == 200
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.stderr.read() == b""
    assert process.returncode == 130
    assert rest.endswith(b"\n")


def test_standard_input_that_is_no_text_is_told() -> None:
    result = subprocess.run(
        [*COMMAND, "generate", "--prompt", "-"],
        input=b"\xff\xfe",
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"error: standard input is not utf-8")


def test_a_prompt_that_is_no_text_is_told() -> None:
    result = recap("--prompt", "caf\udce9")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: the prompt is not utf-8, from character 3 on\n"
