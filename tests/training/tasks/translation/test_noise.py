"""Training pairs that change: pieces are cut along their merges, and shared names are replaced on both sides."""

import pytest
import torch

from model.subwords import Subwords
from tests.conftest import GERMAN, SENTENCES
from training.tasks.translation.noise import SubwordDropout, common_names, with_invented

SUBWORDS = Subwords.learn([*SENTENCES, *GERMAN], 400)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_pieces_are_the_same_text(share: float) -> None:
    torch.manual_seed(0)
    dropout = SubwordDropout(SUBWORDS, share)
    longer = 0
    for sentence in (*SENTENCES, *GERMAN):
        whole = SUBWORDS.encode(sentence)
        cut = dropout(whole)
        assert SUBWORDS.decode(cut) == sentence
        longer += len(cut) > len(whole)
    assert longer > 5


def test_nothing_is_cut_without_dropout() -> None:
    numbers = SUBWORDS.encode(SENTENCES[0])
    assert SubwordDropout(SUBWORDS, 0.0)(numbers) == numbers


def test_cuts_are_the_steps() -> None:
    dropout = SubwordDropout(SUBWORDS, 0.5)
    numbers = SUBWORDS.encode(SENTENCES[0]) * 3
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(dropout(numbers))
    assert found[0] == found[1] != found[2]


def test_common_names_are_those_of_both_sides() -> None:
    source = "John from New York has number 12, and John is in a band in Rome."
    target = "John aus New York hat die Nummer 12 und ist in einer Band in Rom."
    assert common_names(source, target) == [
        "New",
        "York",
        "12",
    ]  # the first word is a capital anyway; John stands twice


@pytest.mark.parametrize("name", ["York", "12"])
def test_invented_name_stands_on_both_sides(name: str) -> None:
    torch.manual_seed(1)
    source, target = "In New York, 12 of 123.", "In New York 12 von 123."
    found = with_invented(source, target, name)
    before, after = source.split(name, 1)
    invented = found[0].removeprefix(before).removesuffix(after)
    assert found == (source.replace(name, invented, 1), target.replace(name, invented, 1))
    assert invented.isdigit() == name.isdigit()
