"""The senses that the table of nouns is made from."""

from collections import Counter

import pytest

from training.tasks.captioning.nouns import NOUNS, Nouns
from training.tasks.captioning.wordnet import FOLDER, SENSES, Table, WordNet, counted

pytestmark = pytest.mark.skipif(not (FOLDER / "data.noun").is_file(), reason="no WordNet (Debian: wordnet-base)")

BEAGLE, TABBY, TENCH = "02088364", "02123045", "01440764"


@pytest.fixture(scope="module")
def wordnet() -> WordNet:
    return WordNet(FOLDER, [BEAGLE, TABBY, TENCH])


@pytest.mark.parametrize(
    ("word", "kind"),
    [("dog", "animal"), ("bike", "bicycle"), ("train", "public transport"), ("table", "furniture"), ("girl", "child")],
)
def test_sense_is_the_one_captions_mean(wordnet: WordNet, word: str, kind: str) -> None:
    sense = wordnet.sense(word)
    assert sense is not None
    assert wordnet.is_a(sense, kind)


@pytest.mark.parametrize("word", ["white", "running", "idea", "london", "old man", "front", "xyzzy"])
def test_word_for_nothing_to_be_seen_has_no_sense(wordnet: WordNet, word: str) -> None:
    assert wordnet.sense(word) is None


def test_every_choice_of_a_sense_is_one_wordnet_has(wordnet: WordNet) -> None:
    assert all(wordnet.sense(word) for word in SENSES if word not in wordnet.pictured)


def test_counted_runs_of_words() -> None:
    counts = counted(["A hot dog.", "A dog"])
    assert counts == Counter({"a": 2, "dog": 2, "hot": 1, "a hot": 1, "hot dog": 1, "a dog": 1, "a hot dog": 1})


def test_classes_are_the_nearest_nouns_that_captions_have(wordnet: WordNet) -> None:
    counts = counted(["dogs and cats"] * 30 + ["a hound"] * 5 + ["a fish"] * 2)
    table = Table(wordnet, counts, frozenset({"beagle", "tench"}), [BEAGLE, TABBY, TENCH])
    assert table.kinds(BEAGLE) == ["beagle", "hound", "dog"]
    assert table.kinds(TABBY) == ["cat"]
    assert table.kinds(TENCH) == ["tench"]


def test_committed_table_has_no_noun_without_a_sense(wordnet: WordNet) -> None:
    assert NOUNS.is_file()
    lost = [noun.name for noun in Nouns.read().nouns[:300] if not wordnet.senses.get(noun.name)]
    assert lost == []
