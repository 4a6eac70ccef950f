"""Picture files to captions: a line for each, whatever happens to the others."""

import asyncio
import json
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.errors import Refusal
from app.tasks.captioning.service import PictureJob, PictureWorker
from model.files import read_bytes, require_regular
from model.tasks.captioning.captioner import Caption
from model.vision.formats import EXTENSIONS

AHEAD = 48
"""Pictures that are read and decoded while others are captioned: enough for full batches, few enough for memory."""

Line = dict[str, Any]
"""`{file, caption, captions: [{text, logprob, confidence}]}`, or `{file, error: {code, message}}`.

With tags, a caption's line has `tags: [{name, confidence}]` too. Captions whose text is not the network's sentence have
it as `original`, and those that are withheld have `needs_review: true`.
"""


def find_pictures(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The files to caption, in order and each once, and the files in folders that are left out.

    A file named itself is taken whatever it is called. A folder gives the files in it and below it, in alphabetical
    order, that have a picture's extension and are not hidden. A folder that can't be read is taken like a file, so that
    it comes out as an error.
    """
    taken: dict[Path, None] = {}
    left: list[Path] = []

    def unreadable(error: OSError) -> None:
        taken[Path(error.filename)] = None

    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises errors, which belong in a line)
            taken[path] = None
            continue
        for folder, folders, names in os.walk(path, onerror=unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                file = Path(folder, name)
                if file.suffix.lower() in EXTENSIONS and not name.startswith("."):
                    taken[file] = None
                else:
                    left.append(file)
    return list(taken), left


async def caption_files(
    worker: PictureWorker, files: Iterable[Path], ask: Callable[[bytes], PictureJob]
) -> AsyncIterator[Line]:
    """A line for each file, in order. At most `AHEAD` pictures are read beyond the one whose line comes next.

    Args:
        worker: captions the pictures.
        files: of pictures.
        ask: makes the work of a file's bytes.
    """
    waiting: deque[asyncio.Task[Line]] = deque()
    for file in files:
        waiting.append(asyncio.create_task(_line(worker, file, ask)))
        if len(waiting) > AHEAD:
            yield await waiting.popleft()
    while waiting:
        yield await waiting.popleft()


async def _line(worker: PictureWorker, file: Path, ask: Callable[[bytes], PictureJob]) -> Line:
    try:
        data = await asyncio.to_thread(read_bytes, file)
    except OSError as error:
        return error_line(str(file), "unreadable_file", (error.strerror or str(error)).lower())
    try:
        (task,) = worker.submit([ask(data)])
        del data
        return caption_line(str(file), await task)
    except Refusal as error:
        return error_line(str(file), error.code, error.message)


def error_line(name: str, code: str, message: str) -> Line:
    """The line of a picture that has no captions."""
    return {"file": name, "error": {"code": code, "message": message}}


def caption_line(name: str, job: PictureJob, digits: int = 17) -> Line:
    """The line of a picture that has captions; probabilities have so many digits after the point, by default all."""
    captions = [_told(caption, digits) for caption in job.captions]
    tags = {} if job.tags is None else {"tags": [_rounded(asdict(tag), digits) for tag in job.tags]}
    return {"file": name, "caption": captions[0]["text"], "captions": captions} | tags


def _told(caption: Caption, digits: int) -> Line:
    told = _rounded({name: getattr(caption, name) for name in ("text", "logprob", "confidence")}, digits)
    if caption.original is not None:
        told["original"] = caption.original
    if caption.needs_review:
        told["needs_review"] = True
    return told


def _rounded(line: Line, digits: int) -> Line:
    return {name: round(value, digits) if isinstance(value, float) else value for name, value in line.items()}


def to_json(value: object, indent: int | None = None) -> bytes:
    r"""JSON in UTF-8, and a line break; a byte of a name that is not UTF-8 is `\udce9`, and reads back as it was."""
    return json.dumps(value, ensure_ascii=False, indent=indent).encode(errors="backslashreplace") + b"\n"


class AnswerLogError(Exception):
    """A file of answers that can't be used or written; the message says why and what to do."""


class AnswerLog:
    """A file of lines that only grows, from which a run that was killed can be resumed.

    With `resume`, a last line that was cut short is dropped and will be written again. A file with anything else than
    answers in it stays as it is.

    Raises:
        AnswerLogError: it has lines and `resume` is off, or it has lines that are no answers.
        OSError: it can't be opened, or is no regular file.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.answered: dict[str, bool] = {}
        """File that has a line -> whether that is a caption."""
        self._path, self._end = path, 0
        ended = True
        require_regular(path)
        if path.exists():
            with path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if not resume:
                        raise AnswerLogError(f"{path} is not empty; go on with --resume, or remove it")
                    if answer := _answer(line):
                        self.answered[answer["file"]] = "error" not in answer
                        self._end += len(line)
                        ended = line.endswith(b"\n")
                    elif not _is_cut(line, first=number == 1):
                        raise AnswerLogError(f"{path}, line {number}: not an answer; is this the right file?")
        self._file = path.open("ab", buffering=0)
        self.close = self._file.close
        self._file.truncate(self._end)
        if not ended:
            self._append(b"\n")

    def write(self, line: Line) -> None:
        """Appends an answer, so that it survives the process; raises an AnswerLogError if the disk is full."""
        self._append(to_json(line))

    def _append(self, data: bytes) -> None:
        end = self._end + len(data)
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            with suppress(OSError):  # a line is whole, or not there
                self._file.truncate(self._end)
            raise AnswerLogError(f"{self._path}: {error.strerror}; go on with --resume once that is mended") from error
        self._end = end


def _answer(line: bytes) -> Line | None:
    """The answer in a line, if it is one."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    keys = answer.keys() if isinstance(answer, dict) and isinstance(answer.get("file"), str) else set()
    return answer if keys - {"tags"} == {"file", "caption", "captions"} or keys == {"file", "error"} else None


def _is_cut(line: bytes, *, first: bool) -> bool:
    """Tells whether a line is the beginning of an answer; of a file's first line, more of it is needed."""
    name = re.match(rb'\{"file": "(?:[^"\\\n]|\\.?)*', line)
    if name is None:
        return not first and b'{"file": "'.startswith(line)
    rest = line[name.end() :]
    return not line.endswith(b"\n") and any(
        key.startswith(rest) or rest.startswith(key) for key in (b'", "caption": "', b'", "error": {')
    )
