"""Sources of pictures: a folder or bucket, a list of names, a tar, or a column of a parquet file."""

import json
import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import IO, Any, ClassVar

from app.tasks.captioning.bulk.storage import S3, Storage, StorageError, UnreadableError, split, storage
from model.vision.formats import EXTENSIONS

Row = Any
"""A picture in a manifest: its name, or a list that begins with its name."""
Reader = Callable[[], bytes]
"""Reads a picture's file; raises what `Storage.read` does."""


class Source(ABC):
    """Pictures in an order that is always the same. A folder and a list refer to files, which may change or vanish."""

    kind: ClassVar[str]

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """A row for each picture.

        Raises:
            StorageError, OSError: the source can't be read.
        """

    @abstractmethod
    def readers(self, rows: Sequence[Row], first: int) -> Sequence[Reader]:
        """A reader for each row of a shard, whose first row has this number in the manifest."""

    def close(self) -> None:  # noqa: B027 (most hold nothing open)
        """Lets go of open files."""


def name_of(row: Row) -> str:
    """The name of a row's picture."""
    return str(row if isinstance(row, str) else row[0])


def is_picture(name: str) -> bool:
    """Tell whether a name has a picture's extension."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122 (a million of them)


class Files(Source):
    """The files with a picture's extension in a folder or under a bucket's prefix, and further down."""

    kind = "files"

    @cached_property
    def _place(self) -> Storage:
        return storage(self.uri)

    def rows(self) -> Iterator[Row]:
        return filter(is_picture, self._place.names(below=True))

    def readers(self, rows: Sequence[Row], first: int) -> Sequence[Reader]:
        return [lambda name=name: self._place.read(name) for name in rows]  # type: ignore[misc]


class Names(Source):
    """A text file with a name a line: a path, by default below the file's own folder, or an `s3://` address."""

    kind = "list"

    def rows(self) -> Iterator[Row]:
        place, name = split(self.uri)
        with place.open(name) as file:
            for line in file:
                if text := os.fsdecode(line.rstrip(b"\r\n")):
                    yield text

    def readers(self, rows: Sequence[Row], first: int) -> Sequence[Reader]:
        place, _ = split(self.uri)
        return [lambda name=name: read(place, name) for name in rows]  # type: ignore[misc]


def read(place: Storage, name: str) -> bytes:
    """A file below a place, or anywhere by its own address."""
    if name.startswith(S3) and not place.uri.startswith(name):
        place, name = split(name)
    return place.read(name)


class Tar(Source):
    """The members of an uncompressed tar that have a picture's extension, such as a shard of a webdataset."""

    kind = "tar"

    def rows(self) -> Iterator[Row]:
        place, name = split(self.uri)
        try:
            with place.open(name) as file, tarfile.open(fileobj=file, mode="r:") as tar:
                for member in tar:
                    if member.isfile() and is_picture(member.name):
                        yield [member.name, member.offset_data, member.size]
                    tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
        except tarfile.TarError as error:
            raise StorageError(f"{self.uri}: {error}; an uncompressed tar is needed") from error

    def readers(self, rows: Sequence[Row], first: int) -> Sequence[Reader]:
        place, name = split(self.uri)

        def reader(offset: int, size: int) -> Reader:
            def part() -> bytes:
                with place.open(name) as file:
                    file.seek(offset)
                    data = file.read(size)
                if len(data) < size:
                    raise StorageError(f"{self.uri} is not the file that the manifest was made of: it is shorter")
                return data

            return part

        return [reader(offset, size) for _, offset, size in rows]


class Parquet(Source):
    """A column of a parquet file: pictures as bytes, or as Hugging Face has them, `{bytes, path}`, or their names.

    Args:
        uri: address of the file.
        column: name of the column.
    """

    kind = "parquet"

    def __init__(self, uri: str, column: str) -> None:
        super().__init__(uri)
        self.column = column
        self._opened: IO[bytes] | None = None

    @cached_property
    def _file(self) -> Any:
        try:
            from pyarrow import ArrowInvalid, parquet
        except ModuleNotFoundError:
            raise StorageError(f"{self.uri}: needs pyarrow: pip install 'recap-captioner[bulk]'") from None
        place, name = split(self.uri)
        self._opened = place.open(name)
        try:
            found = parquet.ParquetFile(self._opened)
        except ArrowInvalid as error:
            raise StorageError(f"{self.uri}: {error}") from error
        if self.column not in found.schema_arrow.names:
            names = ", ".join(found.schema_arrow.names)
            raise StorageError(f"{self.uri} has no column {self.column!r}; it has {names}; name one with --column")
        return found

    def rows(self) -> Iterator[Row]:
        field = self._file.schema_arrow.field(self.column).type
        names = str(field) in ("string", "large_string")
        path = not names and hasattr(field, "fields") and "path" in [part.name for part in field.fields]
        column = self.column if names else f"{self.column}.path" if path else None
        if column is None:
            yield from map(str, range(self._file.metadata.num_rows))
            return
        number = 0
        for batch in self._file.iter_batches(columns=[column]):
            for value in batch.column(0).to_pylist():
                value = value["path"] if isinstance(value, dict) else value
                yield str(number) if value is None else value
                number += 1

    def readers(self, rows: Sequence[Row], first: int) -> Sequence[Reader]:
        place, _ = split(self.uri)
        return [self._reader(place, value) for value in self._values(first, len(rows))]

    def _values(self, first: int, number: int) -> list[Any]:
        """Values of the column, of so many rows, from the groups of rows that have them."""
        metadata, groups, start, skipped = self._file.metadata, [], 0, 0
        for group in range(metadata.num_row_groups):
            end = start + metadata.row_group(group).num_rows
            if end > first and start < first + number:
                groups.append(group)
            elif end <= first:
                skipped = end
            start = end
        values: list[Any] = []
        left = first - skipped
        for batch in self._file.iter_batches(batch_size=256, row_groups=groups, columns=[self.column]):
            part = batch.column(0)[left:]
            left = max(0, left - len(batch))
            values += part[: number - len(values)].to_pylist()
            if len(values) == number:
                break
        return values

    @staticmethod
    def _reader(place: Storage, value: Any) -> Reader:
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return lambda: value
        if isinstance(value, str):
            return lambda: read(place, value)

        def missing() -> bytes:
            raise UnreadableError("there is nothing in this row")

        return missing

    def close(self) -> None:
        if self._opened:
            self._opened.close()


def source(uri: str, column: str = "image") -> Source:
    """The source at an address, by what its name ends in: `.tar`, `.parquet`, `.txt`; else a folder or a prefix."""
    name = uri.lower()
    if name.endswith(".parquet"):
        return Parquet(uri, column)
    if name.endswith(".tar"):
        return Tar(uri)
    if name.endswith((".txt", ".lst", ".list")):
        return Names(uri)
    return Files(uri)


def dumped(row: Row) -> bytes:
    """A row as a line of a manifest."""
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"
