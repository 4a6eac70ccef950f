"""`recap transcribe`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import cli
from model.audio.waveforms import read_waveform
from model.tasks.transcription.recogniser import Recogniser, Transcript
from tests.recordings import recording


@pytest.fixture
def run(speech_checkpoints: Path) -> Any:
    """Runs the command: exit code, standard output and standard error."""

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        given = ["transcribe", *arguments, "--checkpoints", str(speech_checkpoints), "--model", "tiny-speech"]
        result = CliRunner().invoke(cli, given, input=stdin)
        return result.exit_code, result.stdout, result.stderr

    return run


def test_text_of_a_file_and_of_standard_input(run: Any, tmp_path: Path, long: bytes, expected: Transcript) -> None:
    (tmp_path / "a.wav").write_bytes(long)
    assert run(str(tmp_path / "a.wav")) == (0, f"{expected.text}\n", "")
    assert run("-", stdin=long) == (0, f"{expected.text}\n", "")


def test_several_files_have_their_names(run: Any, tmp_path: Path, served_speech: Recogniser) -> None:
    files = [tmp_path / "a.flac", tmp_path / "b.ogg"]
    files[0].write_bytes(recording(1.5, "FLAC"))
    files[1].write_bytes(recording(2.5, "OGG"))
    texts = [served_speech.transcribe([read_waveform(file.read_bytes())])[0].text for file in files]
    expected = "".join(f"{file}: {text}\n" for file, text in zip(files, texts, strict=True))
    assert run(*map(str, files)) == (0, expected, "")


def test_json_has_words_and_errors(run: Any, tmp_path: Path, long: bytes, expected: Transcript) -> None:
    (tmp_path / "a.wav").write_bytes(long)
    (tmp_path / "b.wav").write_bytes(b"hello")
    code, out, _ = run(*(str(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav")), "--json")
    assert code == 1
    good, bad, missing = json.loads(out)
    assert (good["text"], good["seconds"]) == (expected.text, 30.0)
    assert [word["word"] for word in good["words"]] == [word.text for word in expected.words]
    assert good["confidence"] == pytest.approx(expected.confidence, abs=1e-3)
    assert bad["error"]["code"] == "unsupported_audio"
    assert missing["error"] == {"code": "unreadable", "message": "No such file or directory"}


def test_subtitles(run: Any, tmp_path: Path, long: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(long)
    assert run(str(tmp_path / "a.wav"), "--format", "srt")[1].startswith("1\n00:00:")
    assert run(str(tmp_path / "a.wav"), "--format", "vtt")[1].startswith("WEBVTT\n\n00:00:")
    code, _, err = run(str(tmp_path / "a.wav"), "--format", "vtt", "--json")
    assert (code, "--json and --format exclude each other" in err) == (2, True)


def test_file_that_is_not_read_is_named(run: Any, tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(b"hello")
    code, out, err = run(str(tmp_path / "b.wav"))
    assert (code, out) == (1, "")
    assert "b.wav: this is no recording that is read" in err
