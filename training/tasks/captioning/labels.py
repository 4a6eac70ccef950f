"""Captions of a teacher: a vision model behind any endpoint of OpenAI's kind writes a sentence for each picture.

The captions go into `captions.csv` beside `images/`, which is a data set, a line at a time: a run can be stopped
anywhere, and the same command goes on.
"""

import base64
import csv
import io
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from model.files import read_bytes
from model.vision.formats import EXTENSIONS, PictureError
from model.vision.pictures import PictureFile
from training.errors import TrainingError
from training.tasks.captioning.readers.table import PICTURES

TABLE = "captions.csv"
PROMPT = (
    "Describe this picture in one sentence of at most fifteen words, for someone who can't see it. Name what is there "
    "and what happens. Begin with the subject, and not with 'a picture of'."
)
KEY = "OPENAI_API_KEY"
"""Variable of the environment that has the teacher's key, if it needs one."""
_SIDE = 768
"""Most pixels along a side of a picture that is sent: teachers see no more."""
_TRIES = 5
"""Times that a teacher is asked who is busy or away."""
_LATER = (408, 409, 425, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""
_MOST_TOKENS = 80


class TeacherError(TrainingError):
    """A teacher that can't be asked, or does not answer as OpenAI's API says."""


@dataclass(frozen=True)
class Teacher:
    """A vision model behind `POST URL/chat/completions`."""

    url: str
    model: str
    prompt: str = PROMPT
    seconds: float = 120
    """Longest wait for an answer."""

    def describe(self, picture: bytes) -> str:
        """A sentence about a JPEG; raises a TeacherError."""
        image = {"url": f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"}
        content = [{"type": "text", "text": self.prompt}, {"type": "image_url", "image_url": image}]
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": _MOST_TOKENS,
        }
        answer = self._post(json.dumps(body).encode())
        try:
            text = json.loads(answer)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise TeacherError(f"{self.url}: its answer is not one of OpenAI's chat completions") from error
        return " ".join(str(text or "").split()).strip("\"'“”")

    def _post(self, body: bytes) -> bytes:
        headers = {"content-type": "application/json"}
        if key := os.environ.get(KEY):
            headers["authorization"] = f"Bearer {key}"
        url = f"{self.url.rstrip('/')}/chat/completions"
        if not url.startswith(("http://", "https://")):
            raise TeacherError(
                f"{self.url}: an address with http:// or https:// is needed, such as http://localhost/v1"
            )
        for number in range(_TRIES):
            wait, reason = 2.0**number, ""
            try:
                request = urllib.request.Request(url, body, headers)
                with urllib.request.urlopen(request, timeout=self.seconds) as response:
                    return bytes(response.read())
            except urllib.error.HTTPError as error:
                with error:
                    reason = f"{error.code}: {error.read(500).decode(errors='replace').strip()}"
                if error.code not in _LATER:
                    raise TeacherError(f"{url}: {reason}") from error
                after = error.headers.get("retry-after", "")
                wait = float(after) if after.isdigit() else wait
            except OSError as error:
                reason = str(getattr(error, "reason", error))
            if number < _TRIES - 1:
                time.sleep(min(wait, 60))
        raise TeacherError(f"{url}: {reason}; the same command goes on when the teacher is back")


def label(root: Path, teacher: Teacher, at_once: int = 4) -> Iterator[tuple[str, str | None]]:
    """Asks a teacher about each picture in `root/images` that the table has not, and writes the table.

    Yields each picture's name, and why it has no caption, if it has none: it can't be read, or nothing was said of it.
    Those are asked about again by the next run.

    Raises:
        TrainingError: there are no pictures, or the table is none.
        TeacherError: the teacher can't be asked; what is written stays.
    """
    names = pictures_of(root)
    done = read_done(root / TABLE)
    todo = [name for name in names if name not in done]

    def ask(name: str) -> tuple[str, str, str | None]:
        try:
            text = teacher.describe(sent(root / PICTURES / name))
        except PictureError as error:
            return name, "", str(error)
        return name, text, None if text else "the teacher said nothing"

    with (root / TABLE).open("a", encoding="utf-8", newline="") as file, ThreadPoolExecutor(at_once) as pool:
        writer = csv.writer(file, lineterminator="\n")
        if not file.tell():
            writer.writerow(["image", "caption"])
        try:
            for name, text, reason in pool.map(ask, todo):
                if reason is None:
                    writer.writerow([name, text])
                    file.flush()
                yield name, reason
        finally:
            pool.shutdown(cancel_futures=True)


def pictures_of(root: Path) -> list[str]:
    """Names of the pictures in `root/images`; raises a TrainingError if there are none."""
    folder = root / PICTURES
    names = sorted(file.name for file in folder.glob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
    if not names:
        raise TrainingError(f"{folder}: no pictures; put them into a folder `{PICTURES}` in {root}")
    return names


def read_done(table: Path) -> set[str]:
    """Names of the pictures that a table has; a last line that was cut short is dropped from it.

    Raises:
        TrainingError: it is another file than a table of captions.
    """
    if not table.exists():
        return set()
    data = table.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    rows: Sequence[list[str]] = list(csv.reader(io.StringIO(whole.decode("utf-8-sig"), newline="")))
    if rows and (rows[0] != ["image", "caption"] or any(len(row) != 2 for row in rows)):
        raise TrainingError(f"{table} is not a table of captions, whose header is image,caption")
    if len(whole) < len(data):
        with table.open("r+b") as file:
            file.truncate(len(whole))
    return {name for name, _ in rows[1:]}


def sent(path: Path) -> bytes:
    """A picture as the teacher gets it: a JPEG, upright, and no larger than it need be; raises a PictureError."""
    try:
        picture = PictureFile(read_bytes(path), enough=_SIDE).read().rgb
    except OSError as error:
        raise PictureError("unreadable_file", (error.strerror or str(error)).lower()) from error
    picture.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()
