"""The plan of a run: its manifest, its shards, and by which model and parameters they are captioned."""

import hashlib
import json
import mmap
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

from app.tasks.captioning.bulk.sources import Row, Source, dumped, source
from app.tasks.captioning.bulk.storage import Folder, Storage, UnreadableError, storage

SIZE = 512
"""Pictures of a shard: half a minute's work at most, so that little is lost with a process, and no heap of files."""
PLAN, MANIFEST = "plan.json", "manifest.jsonl"
_VERSION = 1


class PlanError(Exception):
    """A run that can't begin or go on; the message says why and what to do."""


@dataclass(frozen=True)
class Shard:
    """Pictures in a row, whose captions are one file."""

    number: int
    first: int
    """Number of its first row in the manifest."""
    rows: list[Row]


@dataclass(frozen=True)
class Plan:
    """A run, as `plan.json` has it beside the captions. It is written once, after the manifest, and never changes."""

    out: str
    """Address of the folder of captions."""
    kind: str
    source: str
    column: str | None
    """Column of a parquet file."""
    pictures: int
    size: int
    """Pictures of a shard."""
    offsets: tuple[int, ...]
    """Places in the manifest where shards begin, and its end."""
    manifest: str
    """SHA-256 of the manifest."""
    model: Mapping[str, str]
    """Name and SHA-256 of the model."""
    parameters: Mapping[str, Any]
    """Parameters that differ from the model's own."""

    @property
    def fingerprint(self) -> str:
        """A digest of all that the captions depend on; files of captions have it in their names."""
        about = [_VERSION, self.manifest, self.size, self.model["sha256"], sorted(self.parameters.items())]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]

    @property
    def shards(self) -> int:
        return len(self.offsets) - 1

    @property
    def place(self) -> Storage:
        return storage(self.out)

    def file(self, number: int) -> str:
        """The name of a shard's captions."""
        return f"captions-{number:06}-{self.fingerprint}.jsonl"

    def done(self) -> set[int]:
        """The shards whose captions are there.

        Raises:
            PlanError: there are captions of another run.
        """
        found = set()
        for name in self.place.names():
            if match := re.fullmatch(r"captions-(\d{6,})-([0-9a-f]{12})\.jsonl", name):
                if match[2] != self.fingerprint:
                    raise PlanError(f"{self.out}/{name} is of another run than {PLAN} there; take another folder")
                found.add(int(match[1]))
        return found

    def todo(self, part: int = 0, parts: int = 1) -> list[int]:
        """The shards to do, in order; of the part of one among several processes, if there are several."""
        done = self.done()
        return [number for number in range(part, self.shards, parts) if number not in done]

    def open_source(self) -> Source:
        return source(self.source, self.column or "")

    def read(self, numbers: Iterator[int]) -> Iterator[Shard]:
        """Shards of these numbers, from the manifest."""
        with self.place.open(MANIFEST) as file:
            for number in numbers:
                start, end = self.offsets[number : number + 2]
                file.seek(start)
                rows = [json.loads(line) for line in file.read(end - start).splitlines()]
                yield Shard(number, number * self.size, rows)

    @classmethod
    def make(cls, out: str, uri: str, column: str, model: Mapping[str, str], parameters: Mapping[str, Any]) -> Self:
        """The plan that is there, or a new one, whose manifest is made now.

        Raises:
            PlanError: what is there is another run; the message names the difference. The source has no pictures.
            StorageError, OSError: the source can't be read, or the folder can't be written.
        """
        place, pictures = storage(out), source(uri, column)
        if isinstance(place, Folder):
            place.sweep()
        asked: dict[str, Any] = {
            "source": uri,
            "column": column if pictures.kind == "parquet" else None,
            "model": dict(model),
            "parameters": dict(parameters),
        }
        if place.has(PLAN):
            found = cls.open(out)
            for name, value in asked.items():
                if (there := getattr(found, name)) != value:
                    raise PlanError(
                        f"{out} has captions of another run: there, {name} is {_shown(there)}, and not "
                        f"{_shown(value)}; take another folder, or the same options"
                    )
            return found
        with closing(pictures), tempfile.TemporaryFile() as file:
            digest, offsets, number = hashlib.sha256(), [0], 0
            for row in pictures.rows():
                line = dumped(row)
                digest.update(line)
                file.write(line)
                number += 1
                if number % SIZE == 0:
                    offsets.append(file.tell())
            if number == 0:
                raise PlanError(f"no pictures in {uri}")
            if number % SIZE:
                offsets.append(file.tell())
            plan = cls(
                out=out,
                kind=pictures.kind,
                pictures=number,
                size=SIZE,
                offsets=tuple(offsets),
                manifest=digest.hexdigest(),
                **asked,
            )
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
                place.write(MANIFEST, view)
        # Two processes that begin together write the same.
        about = {name: getattr(plan, name) for name in cls.__dataclass_fields__ if name != "out"}
        place.write(PLAN, json.dumps({"version": _VERSION, **about}).encode() + b"\n")
        return cls.open(out)

    @classmethod
    def open(cls, out: str) -> Self:
        """The plan of a folder; raises a PlanError if it can't be read, or an OSError."""
        try:
            document = json.loads(storage(out).read(PLAN))
            if document.pop("version") != _VERSION:
                raise PlanError(f"{out}/{PLAN} is another version's; finish that run with it, or take another folder")
            return cls(out=out, **document | {"offsets": tuple(document["offsets"])})
        except (ValueError, TypeError, KeyError, UnreadableError) as error:
            raise PlanError(f"{out}/{PLAN} is no plan; is this the right folder?") from error


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "sha256" in value:
        return f"{value['name']} ({value['sha256'][:12]})"
    return json.dumps(value) if isinstance(value, dict) else os.fsdecode(str(value))
