"""Recordings with what is said in them, of people who are in one split only.

A folder has some of these, as they are published:

- `an4`: `wav/an4_clstk/SPEAKER/*`, `etc/an4_train.fileids` and `etc/an4_train.transcription`, and the same of test.
  Every eighth speaker of its train is dev.
- `fsdd`: `recordings/DIGIT_SPEAKER_NUMBER.wav`, or `recordings.zip` of them. Numbers 0 to 4 are test, by its authors; 5
  to 9 are dev. Everyone speaks in all splits, but for those that are to be left out.
- `speech_commands`: `WORD/SPEAKER_nohash_*`, `_unknown_/WORD_SPEAKER_nohash_*` and `_silence_/*`. A tenth of the
  speakers, by a digest of the name, is dev, and a tenth test.
"""

import hashlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.audio import Samples, WaveformError
from model.audio.waveforms import read_waveform
from model.files import read_bytes
from training.data.base import SPLITS, DataError

SETS = ("an4", "fsdd", "speech_commands")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SILENCE, UNKNOWN = "_silence_", "_unknown_"
SUFFIXES = {".wav", ".opus", ".flac", ".ogg", ".mp3"}


@dataclass(frozen=True)
class Clip:
    """A recording."""

    set: str
    speaker: str
    text: str
    """In lower case; empty where nothing is said."""
    samples: NDArray[np.int16]

    @property
    def waveform(self) -> Samples:
        """(S,), in -1 to 1."""
        return self.samples.astype(np.float32) / np.float32(32768)

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class Recordings:
    """All that a folder has."""

    splits: dict[str, list[Clip]]
    """`train`, `dev`, and `test` if there is any."""
    sha256: str
    """Digest of all files' names, texts and bytes."""

    def split(self, name: str) -> list[Clip]:
        """One of the splits; a DataError says which there are."""
        if name not in self.splits:
            raise DataError(f"split={name}: the data have {', '.join(self.splits)}")
        return self.splits[name]


@dataclass(frozen=True)
class _Entry:
    set: str
    split: str
    speaker: str
    text: str
    name: str
    file: Path  # or, in an archive, its place there
    data: bytes | None = None  # of the file, if it has been read


def read_recordings(
    path: Path, *, without: Sequence[str] = (), splits: Sequence[str] = SPLITS, sets: Sequence[str] = SETS
) -> Recordings:
    """Reads a folder, or those of its splits that are asked for.

    Args:
        path: the folder.
        without: speakers of `fsdd` all of whose recordings are test.
        splits: those to read.
        sets: those to read, where the folder has them.

    Raises:
        DataError: there is none of the sets, or a file is missing or damaged; a speaker to be left out is not there.
    """
    readers = {"an4": _an4, "fsdd": _fsdd, "speech_commands": _speech_commands}
    present = [name for name in sets if (path / name).is_dir()]
    if not present:
        raise DataError(f"{path}: has none of the folders {', '.join(sets)}")
    entries = [entry for name in present for entry in readers[name](path / name)]
    speakers = {entry.speaker for entry in entries if entry.set == "fsdd"}
    if unknown := next((name for name in without if name not in speakers), None):
        raise DataError(f"data.without: {unknown!r} is no speaker of fsdd; there are {', '.join(sorted(speakers))}")
    wanted = []
    for entry in entries:
        left_out = entry.set == "fsdd" and entry.speaker in without
        split = "test" if left_out else entry.split
        if split in splits and not (without and entry.set == "fsdd" and split == "test" and not left_out):
            wanted.append((split, entry))
    digest = hashlib.sha256()
    found: dict[str, list[Clip]] = {split: [] for split in splits}
    with ThreadPoolExecutor() as pool:
        for (split, entry), (data, samples) in zip(wanted, pool.map(_load, wanted), strict=True):
            digest.update(f"{entry.set}/{entry.name}\n{entry.text}\n".encode())
            digest.update(data)
            found[split].append(Clip(entry.set, entry.speaker, entry.text, samples))
    if missing := next((split for split in ("train", "dev") if split in splits and not found[split]), None):
        raise DataError(f"{path}: has no recordings for {missing}")
    return Recordings({split: clips for split, clips in found.items() if clips}, digest.hexdigest())


def _load(wanted: tuple[str, _Entry]) -> tuple[bytes, NDArray[np.int16]]:
    _, entry = wanted
    try:
        data = read_bytes(entry.file) if entry.data is None else entry.data
        waveform = read_waveform(data)
    except (OSError, WaveformError) as error:
        raise DataError(f"{entry.file}: {error}") from error
    return hashlib.sha256(data).digest(), (waveform * 32767).round().astype(np.int16)


def _an4(path: Path) -> Iterator[_Entry]:
    names = {}
    for part in ("train", "test"):
        if (path / "etc" / f"an4_{part}.fileids").is_file():
            names[part] = (
                _lines(path / "etc" / f"an4_{part}.fileids"),
                _lines(path / "etc" / f"an4_{part}.transcription"),
            )
    if "train" not in names:
        raise DataError(f"{path / 'etc' / 'an4_train.fileids'}: no such file")
    files = {file.with_suffix(""): file for file in sorted((path / "wav").rglob("*")) if file.suffix in SUFFIXES}
    people = sorted({_person(name) for name in names["train"][0]})
    held_out = set(people[7::8]) or set(people[-1:])
    for part, (identifiers, lines) in names.items():
        if len(identifiers) != len(lines):
            found = f"has {len(lines):,} texts for {len(identifiers):,} recordings"
            raise DataError(f"{path / 'etc'}: an4_{part}.transcription {found}")
        for name, line in zip(identifiers, lines, strict=True):
            match = re.fullmatch(r"(?:<s>)?(.*?)(?:</s>)?\s*\((\S+)\)", line)
            if not match or match[2] != name.rpartition("/")[2]:
                raise DataError(f"{path / 'etc'}: an4_{part}.transcription: {line!r} is not the text of {name}")
            file = files.get(path / "wav" / name)
            if file is None:
                raise DataError(f"{path / 'wav' / name}: no such recording")
            speaker = _person(name)
            split = part if part == "test" else "dev" if speaker in held_out else "train"
            yield _Entry("an4", split, speaker, " ".join(match[1].lower().split()), name, file)


def _person(name: str) -> str:
    """The speaker of an AN4 recording; one who came twice has a number after the name."""
    return name.split("/")[-2].rstrip("0123456789")


def _fsdd(path: Path) -> Iterator[_Entry]:
    archive = path / "recordings.zip"
    found: list[tuple[Path, bytes | None]]
    if archive.is_file():
        try:
            with zipfile.ZipFile(archive) as file:
                members = sorted(name for name in file.namelist() if name.endswith(".wav"))
                found = [(archive / member, file.read(member)) for member in members]
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{archive}: {error}") from error
    else:
        found = [(file, None) for file in sorted((path / "recordings").glob("*.wav"))]
    if not found:
        raise DataError(f"{path}: has neither recordings/*.wav nor recordings.zip")
    for place, data in found:
        match = re.fullmatch(r"(\d)_([a-z]+)_(\d+)", place.stem)
        if not match:
            raise DataError(f"{place}: is not named DIGIT_SPEAKER_NUMBER")
        number = int(match[3])
        split = "test" if number < 5 else "dev" if number < 10 else "train"
        yield _Entry("fsdd", split, match[2], DIGITS[int(match[1])], place.stem, place, data)


def _speech_commands(path: Path) -> Iterator[_Entry]:
    files = [file for file in sorted(path.glob("*/*")) if file.suffix in SUFFIXES]
    if not files:
        raise DataError(f"{path}: has no folders of words with recordings")
    for file in files:
        folder, name = file.parent.name, file.name.split(".")[0]
        word, _, rest = name.partition("_") if folder == UNKNOWN else (folder, "", name)
        speaker = name if folder == SILENCE else rest.split("_nohash_")[0]
        place = int(hashlib.sha256(speaker.encode()).hexdigest(), 16) % 10
        split = ("dev", "test")[place] if place < 2 else "train"
        text = "" if folder == SILENCE else word
        yield _Entry("speech_commands", split, speaker, text, f"{folder}/{name}", file)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
