"""Picture files to captions: a line for each, whatever happens to the others."""

import asyncio
import json
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from app.errors import Refusal
from app.tasks.captioning.service import PictureJob, PictureWorker
from model.tasks.captioning.config import DecodingConfig
from model.vision.formats import EXTENSIONS

AHEAD = 48
"""Pictures that are read and decoded while others are captioned: enough for full batches, few enough for memory."""

Line = dict[str, Any]
"""`{file, caption, captions: [{text, logprob, confidence}]}`, or `{file, error: {code, message}}`."""


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
        if not path.is_dir():
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


async def caption_files(worker: PictureWorker, files: Iterable[Path], decoding: DecodingConfig) -> AsyncIterator[Line]:
    """A line for each file, in order. At most `AHEAD` pictures are read beyond the one whose line comes next."""
    waiting: deque[asyncio.Task[Line]] = deque()
    for file in files:
        waiting.append(asyncio.create_task(_line(worker, file, decoding)))
        if len(waiting) > AHEAD:
            yield await waiting.popleft()
    while waiting:
        yield await waiting.popleft()


async def _line(worker: PictureWorker, file: Path, decoding: DecodingConfig) -> Line:
    try:
        data = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        message = (error.strerror or str(error)).lower()
        return {"file": str(file), "error": {"code": "unreadable_file", "message": message}}
    try:
        (task,) = worker.submit([PictureJob(data, decoding)])
        captions = (await task).captions
    except Refusal as error:
        return {"file": str(file), "error": {"code": error.code, "message": error.message}}
    told = [{name: getattr(caption, name) for name in ("text", "logprob", "confidence")} for caption in captions]
    return {"file": str(file), "caption": captions[0].text, "captions": told}


class AnswerLogError(Exception):
    """A file of answers that can't be used; the message says why and what to do."""


class AnswerLog:
    """A file of lines that only grows, from which a run that was killed can be resumed.

    With `resume`, a last line that was cut short is dropped and will be written again.

    Raises:
        AnswerLogError: it has lines and `resume` is off, or it has lines that are no answers.
        OSError: it can't be opened.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.answered: dict[str, bool] = {}
        """File that has a line -> whether that is a caption."""
        if path.is_file() and path.stat().st_size and not resume:
            raise AnswerLogError(f"{path} has answers in it; go on with --resume, or remove it")
        self._file = path.open("a+b")
        self.close = self._file.close
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                answer = json.loads(line)
                self.answered[answer["file"]] = "error" not in answer
            except (ValueError, KeyError, TypeError) as error:
                self._file.close()
                raise AnswerLogError(f"{path}, line {number}: not an answer; is this the right file?") from error
            end += len(line)
        if resume:
            self._file.truncate(end)

    def write(self, line: Line) -> None:
        """Appends an answer and flushes it, so that it survives the process."""
        self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
