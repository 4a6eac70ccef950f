"""`recap speak`."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
from typer.testing import CliRunner

from app.cli import cli
from app.tasks.speech.service import planned
from model.tasks.speech.synthesiser import Synthesiser


@pytest.fixture
def run(voice_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command in an empty folder: exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        given = ["speak", *arguments, "--checkpoints", str(voice_checkpoints), "--model", "tiny-voice"]
        result = CliRunner().invoke(cli, given, input=stdin)
        return result.exit_code, result.stdout_bytes, result.stderr

    return run


def test_text_becomes_a_file_in_the_format_of_its_name(run: Any, tmp_path: Path, served_voice: Synthesiser) -> None:
    assert run("hello", "go on") == (0, b"", "")
    frames = planned(served_voice, "hello go on", 0, 1.0).samples * 24 // 16
    assert (soundfile.info("speech.wav").frames, soundfile.info("speech.wav").format) == (frames, "WAV")
    assert run("hello go on", "--out", "a.flac", "--voice", "bob", "--speed", "2") == (0, b"", "")
    assert soundfile.info("a.flac").frames == planned(served_voice, "hello go on", 1, 2.0).samples * 24 // 16
    code, data, _ = run("-", "--out", "-", "--format", "opus", stdin=b"hello go on")
    assert (code, soundfile.info(io.BytesIO(data)).format) == (0, "OGG")


def test_words_that_were_never_heard_are_told(run: Any) -> None:
    code, out, told = run("hello zorp")
    assert (code, out) == (0, b"")
    assert "never heard in training, and may sound wrong: zorp" in told


def test_json_tells_what_was_said_when(run: Any, served_voice: Synthesiser) -> None:
    code, out, told = run("Hello. Go 1!", "--json")
    answer = json.loads(out)
    speech = planned(served_voice, "Hello. Go 1!", 0, 1.0)
    assert (code, told) == (0, "")
    assert (answer["file"], answer["voice"], answer["unheard"]) == ("speech.wav", "ann", ["one"])
    assert [word["word"] for word in answer["words"]] == ["hello", "go", "one"]
    assert answer["seconds"] == pytest.approx(soundfile.info("speech.wav").duration, abs=0.001)
    assert answer["words"][1]["start"] == round(speech.words()[1].begin, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("",), "there is nothing to say"),
        (("日本",), "can't be said"),
        (("go", "--voice", "carl"), "there are ann, bob"),
        (("go", "--out", "a.aac"), "a.aac: no such format as aac; there are wav, mp3"),
        (("go", "--format", "aac"), "--format aac: there are wav"),
        (("go", "--json", "--out", "-"), "give a file"),
        (("go", "--out", "nowhere/a.wav"), "nowhere/a.wav: No such file or directory"),
    ],
)
def test_faults_are_told(run: Any, arguments: tuple[str, ...], message: str) -> None:
    code, out, told = run(*arguments)
    assert (code, out) == (2, b"")
    assert message in told
