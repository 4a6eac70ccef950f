"""The voices of a synthesiser, and the words that each has been heard to say."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, TypeAdapter, ValidationError

from model.config import Config, Name
from model.files import read_bytes


class Voice(Config):
    """Somebody who was recorded."""

    name: Name
    description: str = ""
    """For people: who it is, and what was recorded."""
    words: tuple[str, ...] = ()
    """The words of its training recordings; it says others worse."""


_FILE = TypeAdapter(Annotated[tuple[Voice, ...], Field(min_length=1)])


class Voices:
    """Voices in the order of their numbers; the first is the default.

    Raises:
        ValueError: there is none, or two have the same name.
    """

    def __init__(self, voices: Iterable[Voice]) -> None:
        self.voices = tuple(voices)
        self._numbers = {voice.name: number for number, voice in enumerate(self.voices)}
        if not self.voices or len(self._numbers) != len(self.voices):
            raise ValueError("there is at least one voice, and no name stands twice")
        self._words = [frozenset(voice.words) for voice in self.voices]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The voices in a JSON file; see `model.task.AssetKind`."""
        try:
            return cls(_FILE.validate_json(read_bytes(path)))
        except ValidationError as error:
            raise ValueError("a list of voices is needed, each with a name, a description and words") from error

    def write(self, path: Path) -> None:
        values = [voice.model_dump() for voice in self.voices]
        path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.voices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Voices) and self.voices == other.voices

    def __hash__(self) -> int:
        return hash(self.voices)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._numbers)

    def number(self, name: str) -> int:
        """The number of a voice; a KeyError if there is none of that name."""
        return self._numbers[name]

    def unheard(self, voice: int, words: Sequence[str]) -> list[str]:
        """The words that a voice was never heard to say, each once."""
        return [word for word in dict.fromkeys(words) if word not in self._words[voice]]
