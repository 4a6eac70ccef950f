"""The `recap` command: on files and folders, killed and resumed."""

import json
import os
import pty
import re
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from app.cli import cli
from app.main import create_app
from app.settings import Settings
from app.tasks import TASKS
from model.checkpoint import save
from model.figures import Figure
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecodingConfig
from model.tasks.text import TEXT
from model.tasks.text.language import LanguageModel
from tests.forks import Forked, recap_printing_to
from tests.forks import recap as forked_recap

Serve = Callable[..., AbstractContextManager[httpx2.Client]]
Ready = Callable[[httpx2.Client], None]


@pytest.fixture
def folder(tmp_path: Path, pictures: list[Image.Image]) -> Path:
    """Five pictures, one of them further down, one that is no picture, and two files of other kinds."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        picture.save(folder / ("more" if number == 4 else "") / f"{number}.png")
    (folder / "3b.JPG").write_text("not a picture")
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_text("x")
    return folder


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, checkpoints: Path) -> None:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(checkpoints))
    monkeypatch.setenv("RECAP_THREADS", "1")


def recap(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_captions_of_a_folder_are_the_captioners_own(
    folder: Path, pictures: list[Image.Image], served: Captioner
) -> None:
    result = recap("caption", folder, "--json", "--num-captions", 2, "--beam-size", 4)
    assert result.exit_code == 1  # one is no picture
    answers = json.loads(result.stdout)
    names = ["0.png", "1.png", "2.png", "3.png", "3b.JPG", "more/4.png"]
    assert [answer["file"] for answer in answers] == [str(folder / name) for name in names]
    bad = answers.pop(4)
    assert bad.keys() == {"file", "error"}
    assert bad["error"].keys() == {"code", "message"}
    assert bad["error"]["code"] == "not_an_image"
    for answer, expected in zip(
        answers, served.caption(pictures, DecodingConfig(beam_size=4, num_captions=2)), strict=True
    ):
        assert answer.keys() == {"file", "caption", "captions"}
        assert answer["caption"] == answer["captions"][0]["text"]
        assert [caption["text"] for caption in answer["captions"]] == [caption.text for caption in expected]
        for caption in answer["captions"]:
            assert caption.keys() == {"text", "logprob", "confidence"}
    assert "3b.JPG: these 13 bytes are not a picture" in result.stderr
    assert "left out, without a picture's extension: 2" in result.stderr


def test_gender_is_left_unsaid_where_it_is_asked_for(folder: Path) -> None:
    plain, neutral = recap("caption", folder / "2.png"), recap("caption", folder / "2.png", "--neutral")
    assert plain.exit_code == neutral.exit_code == 0
    assert "a man" in plain.stdout
    assert "man" not in neutral.stdout.split()


def test_tags_are_told_of_a_folder(folder: Path, tagged_checkpoints: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    options = ("--tags", "--checkpoints", tagged_checkpoints)
    assert recap("caption", folder, "--jsonl", output, *options).exit_code == 1  # one is no picture
    written = lines(output)
    assert [line["file"] for line in written if "error" in line] == [str(folder / "3b.JPG")]
    for line in written:
        assert line.keys() == ({"file", "error"} if "error" in line else {"file", "caption", "captions", "tags"})
    tags = {Path(line["file"]).name: [tag["name"] for tag in line.get("tags", ())] for line in written}
    assert tags["0.png"][:2] == ["grass", "dog"]
    assert tags["2.png"][:3] == ["man", "rock", "shirt"]
    whole = output.read_bytes()
    output.write_bytes(whole[:-200])
    assert recap("caption", folder, "--jsonl", output, "--resume", *options).exit_code == 1
    again = lines(output)
    assert [line.get("caption") for line in again] == [line.get("caption") for line in written]
    assert [[tag["name"] for tag in line.get("tags", ())] for line in again] == list(tags.values())
    shown = recap("caption", folder / "0.png", *options)
    caption, tags_line = shown.stdout.splitlines()
    assert caption == f"{folder / '0.png'}: a brown dog runs through the green grass"
    assert re.fullmatch(r" +tags: grass 1\.00, dog 1\.00, person 0\.4\d", tags_line)


def test_alternative_text_and_what_is_withheld(folder: Path, checkpoints: Path) -> None:
    one = folder / "0.png"
    assert recap("caption", one, "--format", "alt").stdout == f"{one}: A brown dog runs through the green grass\n"
    withheld = recap("caption", one, "--format", "alt", "--min-confidence", "0.9")
    assert withheld.exit_code == 0
    assert withheld.stdout == f"{one}: (needs review: a brown dog runs through the green grass)\n"
    (line,) = json.loads(recap("caption", one, "--min-confidence", "0.9", "--json").stdout)
    assert line["caption"] == ""
    assert line["captions"][0]["original"] == "a brown dog runs through the green grass"
    assert line["captions"][0]["needs_review"] is True


def test_operators_threshold_is_the_commands_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECAP_MIN_CONFIDENCE", "0.9")
    assert "(needs review:" in recap("caption", folder / "0.png").stdout
    assert "review" not in recap("caption", folder / "0.png", "--min-confidence", "0").stdout


def test_plain_output_is_for_reading(folder: Path, pictures: list[Image.Image], served: Captioner) -> None:
    one, two = folder / "0.png", folder / "1.png"
    result = recap("caption", two, one, two)
    assert result.exit_code == 0
    texts = [captions[0].text for captions in served.caption(pictures[:2])]
    assert result.stdout == f"{two}: {texts[1]}\n{one}: {texts[0]}\n"
    assert result.stderr == ""
    assert len(recap("caption", one, "--num-captions", 3).stdout.splitlines()) == 3


def test_a_model_may_be_a_name_or_a_folder(folder: Path, checkpoints: Path) -> None:
    by_name = recap("caption", folder / "0.png", "--model", "tiny")
    by_folder = recap("caption", folder / "0.png", "--model", checkpoints / "tiny", "--checkpoints", "nowhere")
    assert by_name.exit_code == by_folder.exit_code == 0
    assert by_name.stdout == by_folder.stdout


def test_a_file_that_cannot_be_read_is_an_answer_too(folder: Path, tmp_path: Path) -> None:
    result = recap("caption", tmp_path / "missing.jpg", folder / "0.png", folder / "notes.txt", "--json")
    assert result.exit_code == 1
    missing, good, text = json.loads(result.stdout)
    assert missing["error"]["code"] == "unreadable_file"
    assert missing["error"]["message"] == "no such file or directory"
    assert good["caption"]
    assert text["error"]["code"] == "not_an_image"  # it was named, so it is not left out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["caption", "PICTURE", "--checkpoints", "nowhere"], "nowhere: no such folder"),
        (["caption", "PICTURE", "--model", "nobody"], "no model 'nobody'; there is tiny"),
        (["caption", "PICTURE", "--beam-size", "99"], "beam_size=99: input should be less than or equal to 10"),
        (["caption", "PICTURE", "--beam-size", "2", "--num-captions", "3"], "num_captions=3 is above beam_size=2"),
        (["caption", "PICTURE", "--tags"], "tags=true: tiny has no tagger"),
        (["caption", "PICTURE", "--format", "html"], "format='html': input should be 'caption' or 'alt'"),
        (
            ["caption", "PICTURE", "--min-confidence", "2"],
            "min_confidence=2.0: input should be less than or equal to 1",
        ),
        (["caption", "PICTURE", "--resume"], "--jsonl"),
        (["caption", "PICTURE", "--json", "--jsonl", "x"], "exclude each other"),
        (["caption", "PICTURE", "--jsonl", "nowhere/x"], "nowhere/x"),
        (["caption", "EMPTY"], "no pictures in"),
        (["models", "--checkpoints", "nowhere"], "nowhere: no such folder"),
        (["serve", "--checkpoints", "nowhere"], "nowhere: no such folder"),
        (["serve", "--port", "99999"], "port (RECAP_PORT) = 99999: input should be less than or equal to 65535"),
    ],
)
def test_what_cannot_work_is_told_in_a_line(folder: Path, tmp_path: Path, arguments: list[str], reason: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"PICTURE": folder / "0.png", "EMPTY": tmp_path / "empty"}
    result = recap(*(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_models_are_listed(tiny_checkpoint: Path, tiny_language_model: LanguageModel) -> None:
    folder = tiny_checkpoint.parent
    figures = [
        Figure(name="nats", label="nats per character", value=1.5, split="dev", higher_is_better=False),
        Figure(name="bits", label="bits per character", value=2.164, split="dev", higher_is_better=False),
    ]
    metrics = {"figures": [figure.model_dump() for figure in figures]}
    save(folder / "verse", TEXT, tiny_language_model, name="verse", metrics=metrics, card="# verse\n")
    result = recap("models", "--checkpoints", folder)
    assert result.exit_code == 0
    header, captioner, language_model = result.stdout.splitlines()
    assert header.split() == ["model", "task", "network", "weights", "figures"]
    assert captioner.split()[:5] == ["tiny", "(default)", "image-to-text", "tf_efficientnet_lite0,", "top-down"]
    assert "text-generation  2 x 48 lstm, characters " in language_model
    assert language_model.endswith("nats per character 1.500, bits per character 2.164")
    cards = json.loads(recap("models", "--checkpoints", folder, "--json").stdout)
    assert [(card["id"], card["task"], card["default"]) for card in cards] == [
        ("tiny", "image-to-text", True),
        ("verse", "text-generation", True),
    ]
    assert cards[1]["generation"]["max_tokens"] == 40


def test_a_language_model_does_not_caption(folder: Path, tiny_language_checkpoint: Path) -> None:
    result = recap("caption", folder / "0.png", "--model", tiny_language_checkpoint)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {tiny_language_checkpoint} is a language model, a captioner is needed\n"


def test_lines_that_are_there_are_not_written_over(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text('{"file": "a", "caption": "x", "captions": []}\n')
    before = output.read_bytes()
    result = recap("caption", folder, "--jsonl", output)
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    assert output.read_bytes() == before
    output.write_text(other := f"{before.decode()}hello\n{before.decode()}")
    result = recap("caption", folder, "--jsonl", output, "--resume")
    assert result.exit_code == 2
    assert f"{output}, line 2" in result.stderr
    assert output.read_text() == other


def test_resume_gives_the_file_that_an_uninterrupted_run_gives(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    result = recap("caption", folder, "--jsonl", output)
    assert result.exit_code == 1
    assert result.stdout == ""
    whole = output.read_bytes()
    assert len(whole.splitlines()) == 6
    for kept in range(0, len(whole), 310):  # cut anywhere, most often inside a line
        output.write_bytes(whole[:kept])
        result = recap("caption", folder, "--jsonl", output, "--resume")
        assert result.exit_code == 1
        assert output.read_bytes().count(b"\n") == 6
        for line, expected in zip(lines(output), map(json.loads, whole.splitlines()), strict=True):
            assert line["file"] == expected["file"]
            assert line.get("caption") == expected.get("caption")
            assert line.get("error") == expected.get("error")
    unchanged = output.read_bytes()
    result = recap("caption", folder, "--jsonl", output, "--resume")
    assert (result.exit_code, output.read_bytes()) == (1, unchanged)
    assert "6 of 6 pictures are answered already" in result.stderr


def test_killed_and_resumed_no_picture_is_lost_or_answered_twice(tmp_path: Path, picture: Image.Image) -> None:
    folder, output = tmp_path / "many", tmp_path / "out.jsonl"
    folder.mkdir()
    picture.resize((600, 600)).save(folder / "000.png", compress_level=1)
    for number in range(1, 60):
        os.link(folder / "000.png", folder / f"{number:03}.png")
    with Forked(forked_recap, "caption", str(folder), "--jsonl", str(output)) as process:
        until = time.monotonic() + 60
        while not output.exists() or output.read_bytes().count(b"\n") < 12:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        process.kill()
    assert 12 <= output.read_bytes().count(b"\n") < 60
    assert recap("caption", folder, "--jsonl", output, "--resume").exit_code == 0
    assert [Path(line["file"]).name for line in lines(output)] == [f"{number:03}.png" for number in range(60)]


def test_a_name_that_is_not_utf_8_is_a_line_like_any_other(folder: Path, tmp_path: Path) -> None:
    names = [os.fsencode(folder) + name for name in (b"/caf\xe9.png", b"/\xff\xfe.png", b"/z.png")]
    for name in names:
        os.link(os.fsencode(folder / "0.png"), name)
    output, files = tmp_path / "out.jsonl", [os.fsdecode(name) for name in names]
    assert recap("caption", *files, "--jsonl", output).exit_code == 0
    assert [line["file"] for line in lines(output)] == files
    whole = output.read_bytes()
    result = recap("caption", *files, "--jsonl", output, "--resume")
    assert (result.exit_code, output.read_bytes()) == (0, whole)
    assert "3 of 3 pictures are answered already" in result.stderr
    printed = recap("caption", *files)
    assert printed.exit_code == 0
    assert [line.rpartition(b": ")[0] for line in printed.stdout_bytes.splitlines()] == names
    assert [line["file"] for line in json.loads(recap("caption", *files, "--json").stdout_bytes)] == files


def test_resume_does_not_touch_a_file_that_is_not_ours(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"important": 1}')
    result = recap("caption", folder / "0.png", "--jsonl", tmp_path / "settings.json", "--resume")
    assert result.exit_code == 2
    assert "settings.json, line 1: not an answer" in result.stderr
    assert (tmp_path / "settings.json").read_text() == '{"important": 1}'


def test_what_is_no_regular_file_is_an_answer_too(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    os.mkfifo(odd / "a.jpg")
    (odd / "b.jpg").symlink_to("/dev/zero")
    with (odd / "c.jpg").open("wb") as endless:
        endless.truncate(2**40)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(odd / "d.jpg"))
    (odd / "e.jpg").symlink_to("e.jpg")
    (odd / "f.png").symlink_to(folder / "0.png")
    result = recap("caption", odd, "/dev/zero", tmp_path / ("a" * 300), "--json")
    assert result.exit_code == 1
    *refused, good, device, missing = json.loads(result.stdout)
    assert [line["error"]["code"] for line in (*refused, device, missing)] == ["unreadable_file"] * 7
    messages = [line["error"]["message"] for line in (*refused, device, missing)]
    assert messages[:4] == ["not a regular file"] * 2 + ["more than 1,073,741,824 bytes", "not a regular file"]
    assert messages[4:] == ["too many levels of symbolic links", "not a regular file", "file name too long"]
    assert good["caption"]


@pytest.mark.parametrize(
    ("arguments", "output", "reason"),
    [
        (["models"], "/dev/full", "no space left on device"),
        (["caption", "PICTURE"], "/dev/full", "no space left on device"),
        (["caption", "PICTURE", "--json"], "", "broken pipe"),
        (["caption", "PICTURE", "--jsonl", "/dev/full"], "/dev/null", "/dev/full: not a regular file"),
    ],
)
def test_streams_that_are_full_are_told(folder: Path, arguments: list[str], output: str, reason: str) -> None:
    given = [str(folder / "0.png") if argument == "PICTURE" else argument for argument in arguments]
    with Forked(recap_printing_to, output, *given) as process:
        told = process.stderr.read()
    assert process.poll() == 2
    assert told.startswith("error: ")
    assert told.endswith(f"{reason}\n")
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "redirection", "reason"),
    [
        ("models --json", ">&-", "standard output: bad file descriptor"),
        ("caption {picture}", ">&-", "standard output: bad file descriptor"),
        ("caption {picture} --jsonl {folder}/o.jsonl", ">&- 2>{folder}/errors", None),
        ("caption {picture} --jsonl {folder}/o.jsonl", "2>&-", None),
        ("generate --prompt -", "<&-", "bad file descriptor"),
    ],
)
def test_streams_that_are_closed_are_told(
    folder: Path, tmp_path: Path, arguments: str, redirection: str, reason: str | None
) -> None:
    places = {"picture": folder / "0.png", "folder": tmp_path}
    command = f"exec {sys.executable} -c 'from app.cli import main; main()' {arguments}".format(**places)
    script = f"set -o pipefail; ({command}) {redirection}".format(**places)
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100)
    if reason is None:
        assert (result.returncode, result.stderr) == (0, "")
        assert len(lines(tmp_path / "o.jsonl")) == 1
    else:
        assert result.returncode == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.endswith(f"{reason}\n")
        assert len(result.stderr.splitlines()) == 1


def read_terminal(terminal: int) -> str:
    """All that is written to a terminal until its other side closes."""
    shown = b""
    with suppress(OSError):  # the end of a terminal is an error
        while part := os.read(terminal, 4096):
            shown += part
    return shown.decode()


def test_a_terminal_shows_a_bar_and_a_pipe_gets_json_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (24, 120))
    with ThreadPoolExecutor(1) as pool:
        screen = pool.submit(read_terminal, terminal)
        with os.fdopen(inside, "w") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            assert cli(["caption", str(folder), "--json"], standalone_mode=False) == 1
            monkeypatch.undo()
        shown = screen.result(30)
    os.close(terminal)
    assert len(json.loads(capsys.readouterr().out)) == 6
    assert "6/6" in shown
    assert "/s" in shown
    assert "3b.JPG: these 13 bytes are not a picture" in shown


def test_help_comes_at_once_and_names_the_options() -> None:
    script = "import sys; from app.cli import main\ntry: main()\nfinally: sys.stderr.write(str('torch' in sys.modules))"
    result = subprocess.run([sys.executable, "-c", script, "caption", "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    assert result.stderr == "False"
    for option in ("--model", "--beam-size", "--num-captions", "--json", "--jsonl", "--resume"):
        assert option in result.stdout


def test_help_lists_a_command_for_each_task_without_torch() -> None:
    script = "import sys; from app.cli import main\ntry: main()\nfinally: sys.stderr.write(str('torch' in sys.modules))"
    result = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "False")
    for command in ("serve", "models", "compile", "health", *(task.command.__name__ for task in TASKS.values())):
        assert f" {command} " in result.stdout


def test_health_is_that_of_the_server(client: httpx2.Client, tmp_path: Path) -> None:
    script = "import sys; from app.cli import main\ntry: main()\nfinally: sys.stderr.write(str('torch' in sys.modules))"
    command = [sys.executable, "-c", script, "health", "--host", "0.0.0.0", "--port", str(client.base_url.port)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ready\n", "False")


def test_health_of_no_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RECAP_PORT", str(free.getsockname()[1]))
        result = recap("health")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no answer from 127.0.0.1" in result.stderr


def test_health_of_a_server_without_models_is_an_error(serve: Serve, ready: Ready, checkpoints: Path) -> None:
    app = create_app(Settings(checkpoints=checkpoints, threads=1))
    with serve(app) as client:
        ready(client)
        app.state.engine.state = "failed"
        result = recap("health", "--port", client.base_url.port)
    assert (result.exit_code, result.stderr) == (1, "not ready: /readyz answers 503\n")
