"""The intents that a classifier knows, by name and title."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic_core import from_json

from model.files import read_bytes

OUT_OF_SCOPE = "out_of_scope"
"""Name of the answer that a text has none of the intents."""
OUT_OF_SCOPE_TITLE = "Something else"


class Intents:
    """Names of intents with their titles, in the order of their numbers; the number after the last is out of scope.

    Raises:
        ValueError: there is no intent, or one is called `out_of_scope`.
    """

    def __init__(self, titles: Mapping[str, str]) -> None:
        if not titles or OUT_OF_SCOPE in titles:
            raise ValueError(f"intents need names, and none may be {OUT_OF_SCOPE!r}")
        self.names, self.titles = tuple(titles), tuple(titles.values())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The intents in a JSON file, an object from names to titles; see `model.task.AssetKind`."""
        titles = from_json(read_bytes(path))
        if not isinstance(titles, dict) or not all(isinstance(title, str) for title in titles.values()):
            raise ValueError("intents are an object with a title for each name")
        return cls(titles)

    def write(self, path: Path) -> None:
        titles = dict(zip(self.names, self.titles, strict=True))
        path.write_text(json.dumps(titles, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.names)
