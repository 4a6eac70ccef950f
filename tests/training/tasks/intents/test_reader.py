"""Queries in CLINC150's layout, and word vectors: what is read, and what is told of folders that are broken."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.intent_queries import BACKGROUND, CITIES, FORMS, OUTSIDE, write_queries
from training.data.base import DataError
from training.tasks.intents.reader import read_dataset, titles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_queries(tmp_path / "queries")


def change(folder: Path, **values: Any) -> None:
    file = folder / "data_full.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_queries_come_with_numbers_and_those_out_of_scope_last(folder: Path) -> None:
    data = read_dataset(folder)
    assert data.intents.names == tuple(sorted(FORMS))
    assert data.intents.titles[data.intents.names.index("time")] == "Asking for the time"
    train, dev = data.split("train"), data.split("dev")
    assert (len(train.texts), len(dev.texts)) == (8 * 6 + 3 * 6, 8 * 2 + 3 * 2)  # what stands in both files counts once
    place = train.texts.index("what time is it in paris")
    assert data.intents.names[train.labels[place]] == "time"
    assert train.labels[-3 * 6 :] == [4] * 18
    assert train.texts[-1] == OUTSIDE[-1].format(CITIES[5])
    assert len(data.background) == len(BACKGROUND) * len(CITIES)


def test_further_files_may_be_missing(folder: Path) -> None:
    whole = read_dataset(folder)
    (folder / "data_oos_plus.json").unlink()
    (folder / "all_wiki_sents.txt").unlink()
    data = read_dataset(folder)
    assert (data.split("train").labels.count(4), data.background) == (3 * 3, [])
    assert data.sha256 != whole.sha256


def test_digest_is_of_further_queries_out_of_scope_too(folder: Path) -> None:
    whole = read_dataset(folder)
    (folder / "data_oos_plus.json").unlink()
    assert read_dataset(folder).sha256 != whole.sha256


def test_test_is_a_split_where_it_is_there(folder: Path) -> None:
    with pytest.raises(DataError, match="split=test: the data have train, dev"):
        read_dataset(folder).split("test")
    change(folder, test=[["what time is it", "time"]], oos_test=[["who are they", "oos"]])
    assert read_dataset(folder).split("test").labels == [2, 4]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"val": [["hello", "greeting"]]}, "dev: no query of train has the intent 'greeting'"),
        ({"oos_val": []}, "dev needs queries with an intent, and some that are out of scope"),
        ({"train": []}, "train: intents need names"),
        ({"train": [["what time is it"]]}, "train.0"),
        ({"train": [["x", "out_of_scope"]]}, "none may be 'out_of_scope'"),
    ],
)
def test_broken_data_are_told(folder: Path, values: dict[str, Any], reason: str) -> None:
    change(folder, **values)
    with pytest.raises(DataError, match=reason) as raised:
        read_dataset(folder)
    assert "data_full.json" in str(raised.value)


def test_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data_full\.json: no such file"):
        read_dataset(tmp_path)


def test_there_are_150_titles_and_no_two_alike() -> None:
    found = titles()
    assert len(found) == len(set(found.values())) == 150
    assert all(title[0].isupper() and title.isprintable() and not title.endswith(".") for title in found.values())
