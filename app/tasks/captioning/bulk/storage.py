"""Places of files: a folder, or a bucket of S3's kind; a file appears in them as a whole."""

import errno
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeVar

from model.files import fsync, read_bytes, require_regular

T = TypeVar("T")

S3 = "s3://"
_PARTIAL = ".partial"
_ABANDONED_SECONDS = 3600
"""Age of a file that nobody is writing any longer."""
_TRIES = 4
"""Times that something remote is tried: more than any outage of a moment lasts, with twice the wait after each."""
_FIRST_WAIT = 0.5
"""Seconds after the first try."""


class StorageError(Exception):
    """A place that can't be used; the message says which, why and what to do."""


class UnreadableError(Exception):
    """A file that is not there or can't be read, now or later; the message says why."""


_PASSING = (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)
"""Errors that say nothing about the file: a run that meets them ends, and the next one goes on."""


class Storage(ABC):
    """Files by their names below a place, with `/` between the parts of a name."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @abstractmethod
    def names(self, *, below: bool = False) -> Iterator[str]:
        """Names of the files in it, and with `below` of those further down, in an order that is always the same."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Tell whether a file is there."""

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """A file to read from any place in it; raises an OSError."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The contents of a file.

        Raises:
            UnreadableError: it can't be read.
            OSError: it could not be read now, but may be later.
        """

    @abstractmethod
    def write(self, name: str, data: bytes | memoryview) -> None:
        """Puts a file in its place, durably; whoever looks sees all of it or the one before. Raises an OSError."""


class Folder(Storage):
    """A folder of this machine, or one that machines share. It is made when something is written."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def names(self, *, below: bool = False) -> Iterator[str]:
        def unreadable(error: OSError) -> None:
            broken.append(error.filename)

        broken: list[str] = []
        for folder, folders, files in os.walk(self._path, onerror=unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith(".")) if below else []
            prefix = "" if folder == str(self._path) else f"{os.path.relpath(folder, self._path)}/"
            yield from (f"{prefix}{name}" for name in sorted(files) if not name.startswith("."))
        if below:  # they come out as pictures that can't be read
            yield from (os.path.relpath(name, self._path) for name in broken)

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    def open(self, name: str) -> IO[bytes]:
        require_regular(self._path / name)
        return (self._path / name).open("rb")

    def read(self, name: str) -> bytes:
        try:
            return read_bytes(self._path / name)
        except OSError as error:
            if error.errno in _PASSING:
                raise
            raise UnreadableError((error.strerror or str(error)).lower()) from error

    def write(self, name: str, data: bytes | memoryview) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        # Named after the process: two of them may write the same file, and neither may have its own cut by the other.
        partial = self._path / f".{name}.{socket.gethostname()}-{os.getpid()}{_PARTIAL}"
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path / name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        fsync(self._path)

    def sweep(self) -> None:
        """Removes what killed processes have left half written."""
        for partial in self._path.glob(f".*{_PARTIAL}"):
            with suppress(OSError):
                if time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS:
                    partial.unlink()


class Bucket(Storage):
    """A prefix of a bucket, `s3://bucket/prefix`, by pyarrow; credentials are found as AWS's own tools find them."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri.rstrip("/"))
        self._prefix = self.uri.removeprefix(S3)

    @cached_property
    def _files(self) -> Any:
        try:
            from pyarrow import fs
        except ModuleNotFoundError:
            raise StorageError(f"{self.uri}: needs pyarrow: pip install 'recap-captioner[bulk]'") from None
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return fs.S3FileSystem(endpoint_override=endpoint, region=region, allow_delayed_open=True)

    def names(self, *, below: bool = False) -> Iterator[str]:
        from pyarrow import fs

        selector = fs.FileSelector(self._prefix, recursive=below, allow_not_found=True)
        found = _patient(lambda: self._files.get_file_info(selector))
        paths = sorted(info.path for info in found if info.is_file)
        yield from (path.removeprefix(f"{self._prefix}/") for path in paths)

    def has(self, name: str) -> bool:
        return bool(_patient(lambda: self._files.get_file_info(f"{self._prefix}/{name}")).is_file)

    def open(self, name: str) -> IO[bytes]:
        return _patient(lambda: self._files.open_input_file(f"{self._prefix}/{name}"))

    def read(self, name: str) -> bytes:
        def whole() -> bytes:
            with self._files.open_input_file(f"{self._prefix}/{name}") as file:
                return bytes(file.read())

        try:
            return _patient(whole)
        except _LASTING as error:
            raise UnreadableError((error.strerror or str(error)).lower()) from error

    def write(self, name: str, data: bytes | memoryview) -> None:
        def put() -> None:
            # One PUT, where it fits into one, as captions do: nobody sees a part.
            with self._files.open_output_stream(f"{self._prefix}/{name}") as file:
                file.write(data)

        _patient(put)


_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError)
"""Errors that another try would meet again."""


def _patient(act: Callable[[], T]) -> T:
    """The result of something remote, which is tried again unless it says that there is no such thing."""
    for number in range(_TRIES):
        try:
            return act()
        except _LASTING:
            raise
        except OSError:
            if number == _TRIES - 1:
                raise
            time.sleep(_FIRST_WAIT * 2**number)
    raise AssertionError


def storage(uri: str) -> Folder | Bucket:
    """The place of a path or of an `s3://` address."""
    return Bucket(uri) if uri.startswith(S3) else Folder(Path(uri))


def split(uri: str) -> tuple[Storage, str]:
    """The place that a file lies in, and its name there."""
    folder, _, name = uri.rpartition("/")
    return storage(folder or ("/" if uri.startswith("/") else ".")), name
