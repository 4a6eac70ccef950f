"""Many picture files to captions: a line for each, whatever happens to the others."""

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from app.errors import Refusal
from app.inputs.pictures import EXTENSIONS, read_picture
from app.settings import Settings
from model.tasks.captioning.captioner import Caption, Captioner
from model.tasks.captioning.config import DecodingConfig

BATCH = 16
"""Pictures that go through the network together."""

Line = dict[str, Any]
"""`{file, caption, captions: [{text, logprob, confidence}]}`, or `{file, error: {code, message}}`."""


def find_pictures(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The files to caption, in order and each once, and those in folders that are left out.

    A file that is named is taken whatever it is called; from a folder and those below it, in alphabetical order, what
    has a picture's extension and is not hidden. A folder that can't be read is taken as if it were a file, so that it
    comes out as an error.
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


def caption_files(
    captioner: Captioner, files: Sequence[Path], decoding: DecodingConfig, settings: Settings
) -> Iterator[Line]:
    """A line for each file, in order. While the network works on a batch, the next one is read and decoded."""

    def prepare(file: Path) -> Tensor | Refusal:
        try:
            picture = read_picture(
                file.read_bytes(),
                max_pixels=settings.max_pixels,
                max_dimension=settings.max_dimension,
                enough=3 * captioner.config.encoder.preprocessing.size,
            )
        except OSError as error:
            return Refusal("unreadable_file", (error.strerror or str(error)).lower())
        except Refusal as error:
            return error
        return captioner.preprocess(picture.image)  # (3, S, S)

    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    waiting: deque[tuple[Sequence[Path], list[Future[Tensor | Refusal]]]] = deque()
    with ThreadPoolExecutor(settings.decode_threads) as pool:
        for batch in batches:
            waiting.append((batch, [pool.submit(prepare, file) for file in batch]))
            if len(waiting) > 1:
                yield from _finish(captioner, decoding, *waiting.popleft())
        while waiting:
            yield from _finish(captioner, decoding, *waiting.popleft())


def _finish(
    captioner: Captioner, decoding: DecodingConfig, files: Sequence[Path], futures: Sequence[Future[Tensor | Refusal]]
) -> Iterator[Line]:
    prepared = [future.result() for future in futures]
    pixels = [result for result in prepared if isinstance(result, Tensor)]
    captions = iter(captioner.generate(captioner.encode(torch.stack(pixels)), decoding) if pixels else ())
    for file, result in zip(files, prepared, strict=True):
        if isinstance(result, Refusal):
            yield {"file": str(file), "error": {"code": result.code, "message": result.message}}
        else:
            yield _line(file, next(captions))


def _line(file: Path, captions: Sequence[Caption]) -> Line:
    return {
        "file": str(file),
        "caption": captions[0].text,
        "captions": [
            {"text": caption.text, "logprob": caption.logprob, "confidence": caption.confidence} for caption in captions
        ],
    }


class AnswerLogError(Exception):
    """The file of answers can't be used; the message says why and what to do."""


class AnswerLog:
    """A file of lines that only grows, and that a run which was killed can be resumed from.

    Args:
        path: the file.
        resume: go on with what is there. A last line that was cut short is dropped and will be written anew.

    Raises:
        AnswerLogError: it has lines and `resume` is off, or lines that are not ours.
        OSError: it can't be opened.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.answered: dict[str, bool] = {}
        """Files that have a line -> whether it is a caption."""
        if path.is_file() and path.stat().st_size and not resume:
            raise AnswerLogError(f"{path} has answers in it; go on with --resume, or remove it")
        self._file = path.open("a+b")
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, line: Line) -> None:
        """Appends an answer, and lets go of it, so that it survives the process."""
        self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
