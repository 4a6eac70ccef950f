"""Captions of a teacher: asked for in OpenAI's contract, over a socket, and gone on with after anything."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from training.errors import TrainingError
from training.tasks.captioning.labels import Teacher, TeacherError, label
from training.tasks.captioning.readers import open_dataset


class School(ThreadingHTTPServer):
    """A teacher that says how wide a picture is, after as many refusals as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.refusals: list[int] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.after: int | None = None
        """Number of answers after which it is away."""


class Handler(BaseHTTPRequestHandler):
    server: School

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.keys.add(self.headers["authorization"])
        if self.server.refusals:
            return self.answer(self.server.refusals.pop(), {"error": {"message": "later"}})
        if self.server.after is not None and len(self.server.asked) >= self.server.after:
            return self.answer(401, {"error": {"message": "no credit left"}})
        self.server.asked.append(body)
        _, part = body["messages"][0]["content"]
        with Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].partition(",")[2]))) as picture:
            text = f'"A  picture,\n{picture.width} wide"'
        return self.answer(200, {"choices": [{"message": {"role": "assistant", "content": text}}]})

    def answer(self, status: int, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response_only(status)
        self.send_header("retry-after", "0")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def school() -> Iterator[School]:
    with School() as school:
        thread = threading.Thread(target=school.serve_forever)
        thread.start()
        yield school
        school.shutdown()
        thread.join()


@pytest.fixture
def teacher(school: School) -> Teacher:
    return Teacher(f"http://127.0.0.1:{school.server_address[1]}/v1/", "llava")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with ten pictures."""
    (tmp_path / "images").mkdir()
    for number in range(10):
        Image.new("RGB", (1000 + number, 20)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path


def test_captions_become_a_data_set(root: Path, school: School, teacher: Teacher) -> None:
    assert list(label(root, teacher)) == [(f"{number}.png", None) for number in range(10)]
    data = open_dataset(root)
    assert {len(data.split(split)) for split in ("train", "dev")} == {8, 2}
    (first, *_) = data.split("dev")
    assert first.captions == ("A picture, 768 wide",)
    (asked, *_) = school.asked
    assert (asked["model"], asked["temperature"]) == ("llava", 0)
    assert school.keys == {None}


def test_run_that_stops_goes_on_and_asks_nothing_twice(
    root: Path, school: School, teacher: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    school.after = 4
    with pytest.raises(TeacherError, match=r"401: .*no credit left"):
        list(label(root, teacher, at_once=1))
    table = root / "captions.csv"
    assert table.read_text().count("\n") == 5
    table.write_text(table.read_text() + '7.png,"A pic')  # cut by a kill
    school.after = None
    assert len(list(label(root, teacher))) == 6
    assert len(school.asked) == 10
    assert table.read_text().count("\n") == 11
    assert school.keys == {"Bearer secret"}
    assert list(label(root, teacher)) == []


def test_teacher_who_is_busy_is_asked_again(root: Path, school: School, teacher: Teacher) -> None:
    school.refusals = [503, 429, 500]
    assert all(reason is None for _, reason in label(root, teacher, at_once=1))


def test_teacher_who_is_away_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(TeacherError, match="refused; the same command goes on when the teacher is back"):
        list(label(root, Teacher("http://127.0.0.1:1/v1", "x")))
    with pytest.raises(TeacherError, match="an address with http:// or https:// is needed"):
        list(label(root, Teacher("file:///etc", "x")))


def test_picture_that_cannot_be_read_is_told_and_left_out(root: Path, teacher: Teacher) -> None:
    (root / "images" / "3.png").write_text("no picture")
    found = dict(label(root, teacher))
    assert "not a picture" in (found.pop("3.png") or "")
    assert set(found.values()) == {None}
    assert "3.png" not in (root / "captions.csv").read_text()


def test_other_files_are_not_written_over(root: Path, teacher: Teacher, tmp_path: Path) -> None:
    (root / "captions.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(TrainingError, match="not a table of captions"):
        list(label(root, teacher))
    assert (root / "captions.csv").read_text() == "a,b,c\n1,2,3\n"
    with pytest.raises(TrainingError, match="put them into a folder `images`"):
        list(label(tmp_path / "nowhere", teacher))
