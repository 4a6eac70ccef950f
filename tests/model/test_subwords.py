"""Subwords: every text comes back, and files that are none are refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.subwords import Subwords
from model.vocabulary import SPECIALS
from tests.conftest import GERMAN, SENTENCES

SUBWORDS = Subwords.learn([*SENTENCES, *GERMAN], 360)
LETTERS = st.text(st.characters(categories=("L", "N", "P", "S"), max_codepoint=0x2FF), min_size=1)


@given(st.lists(LETTERS, min_size=1).map(" ".join))
def test_any_text_comes_back_as_the_library_normalises_it(text: str) -> None:
    once = SUBWORDS.decode(SUBWORDS.encode(text))
    assert SUBWORDS.decode(SUBWORDS.encode(once)) == once
    assert not set(SUBWORDS.encode(text)) & set(range(len(SPECIALS)))


@pytest.mark.parametrize("text", [*SENTENCES, *GERMAN, "Köln hat 日本 Bäcker 😀"])
def test_sentences_come_back_as_they_were(text: str) -> None:
    assert SUBWORDS.decode(SUBWORDS.encode(text)) == text


def test_pieces_say_what_they_add() -> None:
    assert "".join(SUBWORDS.texts(SUBWORDS.encode(GERMAN[0]))) == f" {GERMAN[0]}"


def test_characters_are_those_with_a_piece() -> None:
    assert "ü" in SUBWORDS.characters
    assert "日" not in SUBWORDS.characters


def test_file_is_read_again(tmp_path: Path) -> None:
    SUBWORDS.write(tmp_path / "subwords.model")
    found = Subwords.read(tmp_path / "subwords.model")
    assert found.pieces == SUBWORDS.pieces
    assert len(found) == 360


@pytest.mark.parametrize("data", [b"", b"no model at all"])
def test_file_that_is_no_model_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "subwords.model").write_bytes(data)
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        Subwords.read(tmp_path / "subwords.model")


def test_too_many_subwords_for_the_sentences_are_refused() -> None:
    with pytest.raises(ValueError, match="5000 subwords can't be learnt"):
        Subwords.learn(SENTENCES, 5000)
