"""Queries with their intents in CLINC150's layout (Larson et al., "An evaluation dataset for intent classification and
out-of-scope prediction", 2019), and word vectors.

`data_full.json` has lists of pairs `[text, intent]` by split: `train`, `val` and `test`, and `oos_train`, `oos_val` and
`oos_test` of texts that are out of scope. Beside it may lie `data_oos_plus.json`, with more of `oos_train`, and
`all_wiki_sents.txt`, with sentences that are no request.
"""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from model.tasks.intents.intents import Intents
from model.vocabulary import tokenize
from training.data.base import SPLITS, DataError
from training.data.records import read_records
from training.data.text import read_text

FILE, MORE, BACKGROUND = "data_full.json", "data_oos_plus.json", "all_wiki_sents.txt"
TITLES = Path(__file__).with_name("titles.toml")
"""Titles of CLINC150's intents."""

Pairs = list[tuple[str, str]]


class _File(BaseModel):
    train: Pairs
    val: Pairs
    test: Pairs = []
    oos_train: Pairs = []
    oos_val: Pairs = []
    oos_test: Pairs = []


class _More(BaseModel):
    oos_train: Pairs


@dataclass(frozen=True)
class Queries:
    """A split."""

    texts: list[str]
    """First those with an intent, then those that are out of scope."""
    labels: list[int]
    """Number of each text's intent; the number after the last is out of scope."""


@dataclass(frozen=True)
class IntentDataset:
    """All that a folder has."""

    intents: Intents
    splits: dict[str, Queries]
    """`train`, `dev`, and `test` if it is there."""
    background: list[str]
    """Sentences that are no request."""
    sha256: str
    """Digest of all texts and intents."""

    def split(self, name: str) -> Queries:
        """One of the splits; a DataError says which there are."""
        if name not in self.splits:
            raise DataError(f"split={name}: the data have {', '.join(self.splits)}")
        return self.splits[name]


def read_dataset(path: Path) -> IntentDataset:
    """Reads a folder.

    Raises:
        DataError: a file is missing or broken, a split is empty, or has an intent that training lacks.
    """
    file = read_records(_File, path / FILE)
    strangers = [pair[0] for pair in file.oos_train]
    if (path / MORE).is_file():
        strangers += [pair[0] for pair in read_records(_More, path / MORE).oos_train]
    names = sorted({intent for _, intent in file.train})
    try:
        intents = Intents({name: titles().get(name, name.replace("_", " ").capitalize()) for name in names})
    except ValueError as error:
        raise DataError(f"{path / FILE}: train: {error}") from error
    parts = {
        "train": (file.train, list(dict.fromkeys(strangers))),
        "dev": (file.val, [pair[0] for pair in file.oos_val]),
        "test": (file.test, [pair[0] for pair in file.oos_test]),
    }
    numbers = {name: number for number, name in enumerate(names)}
    splits = {}
    for split in SPLITS:
        inside, outside = parts[split]
        if not inside and split == "test":
            continue
        if not (inside and outside):
            raise DataError(f"{path / FILE}: {split} needs queries with an intent, and some that are out of scope")
        if unknown := next((intent for _, intent in inside if intent not in numbers), None):
            raise DataError(f"{path / FILE}: {split}: no query of train has the intent {unknown!r}")
        labels = [numbers[intent] for _, intent in inside] + [len(names)] * len(outside)
        splits[split] = Queries([text for text, _ in inside] + outside, labels)
    background = read_text(path / BACKGROUND).splitlines() if (path / BACKGROUND).is_file() else []
    digest = hashlib.sha256(json.dumps([file.model_dump(), strangers, background]).encode()).hexdigest()
    return IntentDataset(intents, splits, background, digest)


def titles() -> dict[str, str]:
    """Titles of CLINC150's intents, by their names."""
    return tomllib.loads(TITLES.read_text(encoding="utf-8"))


def tokens(texts: Sequence[str]) -> list[list[str]]:
    """The words of texts, as a classifier reads them."""
    return [tokenize(text) for text in texts]
