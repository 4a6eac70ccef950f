"""Recordings of voices, with what they say.

A folder has one of these, or both, as they are published:

- `asterisk`: prompts of a telephone exchange, `wav/NAME.*`, and `core-sounds-en.txt` with a line `NAME: TEXT` for each.
  40 of the sentences, by a digest of the text, are test, and 12 dev.
- `fsdd`: digits; `training.tasks.transcription.reader` says which are in which split.
"""

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.audio import Samples, WaveformError
from model.audio.waveforms import read_waveform
from model.files import read_bytes
from model.tasks.speech.pronunciations import Pronunciations
from model.tasks.speech.reading import Part, UnsayableError, Word, read
from training.data.base import SPLITS, DataError
from training.tasks.transcription.reader import SUFFIXES, read_recordings

PROMPTS = "allison"
"""Name of the voice of `asterisk`."""
HELD_OUT = {"test": 40, "dev": 12}
"""Sentences of `asterisk` in a split, but no more than a quarter of them in each."""
SENTENCE = range(3, 26)
"""Words of a recording that may be held out."""
_CORRECTIONS = {
    "fourtieth": "fortieth",
    "exclaimation-point": "exclamation point",
    "represenatives": "representatives",
    "1234": "one two three four",
    "4242": "four two four two",
    "8500": "eight five hundred",
    "H.323": "H three two three",
}
"""Texts of `asterisk` -> what is said."""


@dataclass(frozen=True)
class Clip:
    """A recording."""

    voice: str
    name: str
    text: str
    parts: tuple[Part, ...]
    """The words and pauses of the text."""
    samples: NDArray[np.int16]

    @property
    def waveform(self) -> Samples:
        """(S,), in -1 to 1."""
        return self.samples.astype(np.float32) / np.float32(32768)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        return tuple(part for part in self.parts if isinstance(part, Word))


@dataclass(frozen=True)
class Recordings:
    """All that a folder has."""

    splits: dict[str, list[Clip]]
    sha256: str
    """Digest of all files' names, texts and samples."""

    def split(self, name: str) -> list[Clip]:
        """One of the splits; a DataError says which there are."""
        if name not in self.splits:
            raise DataError(f"split={name}: the data have {', '.join(self.splits)}")
        return self.splits[name]


def read_voices(path: Path, pronunciations: Pronunciations, splits: Sequence[str] = SPLITS) -> Recordings:
    """Reads a folder, or those of its splits that are asked for.

    Raises:
        DataError: there is none of the sets, or a file is missing or damaged.
    """
    found: dict[str, list[Clip]] = {split: [] for split in splits}
    if not any((path / name).is_dir() for name in ("asterisk", "fsdd")):
        raise DataError(f"{path}: has neither of the folders asterisk and fsdd")
    if (path / "asterisk").is_dir():
        for split, clip in _prompts(path / "asterisk", pronunciations):
            if split in found:
                found[split].append(clip)
    if (path / "fsdd").is_dir():
        for split, digits in read_recordings(path, splits=splits, sets=("fsdd",)).splits.items():
            for number, digit in enumerate(digits):
                name = f"{digit.speaker}-{digit.text}-{number}"
                found[split].append(Clip(digit.speaker, name, digit.text, (Word(digit.text),), digit.samples))
    digest = hashlib.sha256()
    for clips in found.values():
        for clip in clips:
            digest.update(f"{clip.voice} {clip.name}\n{clip.text}\n".encode())
            digest.update(clip.samples.tobytes())
    return Recordings({split: clips for split, clips in found.items() if clips}, digest.hexdigest())


def _prompts(path: Path, pronunciations: Pronunciations) -> list[tuple[str, Clip]]:
    """The prompts that are speech, each with its split."""
    texts = path / "core-sounds-en.txt"
    try:
        lines = texts.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{texts}: {error}") from error
    files = {str(file.relative_to(path / "wav").with_suffix("")): file for file in sorted((path / "wav").rglob("*"))}
    named = []
    for line in lines:
        name, colon, text = line.partition(":")
        file = files.get(name.strip().removesuffix(".wav"))
        parts = _parts(text, pronunciations) if colon and not line.startswith(";") else ()
        if parts and file and file.suffix in SUFFIXES:
            named.append((file, text.strip(), parts))
    if not named:
        raise DataError(f"{texts}: names no recording that is in {path / 'wav'}")

    def load(entry: tuple[Path, str, tuple[Part, ...]]) -> Clip:
        file, text, parts = entry
        try:
            samples = (read_waveform(read_bytes(file)) * 32767).round().astype(np.int16)
        except (OSError, WaveformError) as error:
            raise DataError(f"{file}: {error}") from error
        return Clip(PROMPTS, str(file.relative_to(path / "wav").with_suffix("")), text, parts, samples)

    with ThreadPoolExecutor() as pool:
        clips = list(pool.map(load, named))
    said = {clip.words for clip in clips if sum(not word.spelled for word in clip.words) in SENTENCE}
    order = sorted(said, key=lambda words: hashlib.sha256(_text(words).encode()).hexdigest())
    split_of: dict[tuple[Word, ...], str] = {}
    begin = 0
    for split, most in HELD_OUT.items():
        end = begin + min(most, max(1, len(order) // 4))
        split_of |= dict.fromkeys(order[begin:end], split)
        begin = end
    return [(split_of.get(clip.words, "train"), clip) for clip in clips]


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _parts(text: str, pronunciations: Pronunciations) -> tuple[Part, ...]:
    """The words and pauses of a prompt; none if it is no speech."""
    text = re.sub(r"\[[^]]*\]|\([^)]*\)", " ", text)
    for written, said in _CORRECTIONS.items():
        text = text.replace(written, said)
    try:
        return tuple(read(text, pronunciations))
    except UnsayableError:
        return ()
