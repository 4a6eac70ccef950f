"""Letters and their symbols."""

from pathlib import Path

import pytest

from model.tasks.transcription.alphabet import END, Alphabet
from model.vocabulary import SPECIALS


def test_text_comes_back() -> None:
    letters = Alphabet(" abc")
    assert letters.encode("a cab") == [2, 1, 4, 2, 3]
    assert letters.decode(letters.encode("a cab")) == "a cab"


def test_letter_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="'d' is none of ' abc'"):
        Alphabet(" abc").encode("bad")


def test_language_model_has_the_end_in_place_of_the_blank() -> None:
    letters = Alphabet(" abc")
    words = letters.vocabulary().words
    assert words[len(SPECIALS) :] == (END, *letters.letters)


def test_file_comes_back(tmp_path: Path) -> None:
    Alphabet(" é'").write(tmp_path / "alphabet.json")
    assert Alphabet.read(tmp_path / "alphabet.json") == Alphabet(" é'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "at least one letter"),
        ('["a", "b", "a"]', "'a' stands twice"),
        ('["a", "bc"]', "'bc' is no letter"),
        ('["a", "\\n"]', "is no letter"),
        ('{"a": 1}', "a list of letters"),
        ("[1]", "a list of letters"),
    ],
)
def test_broken_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "alphabet.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Alphabet.read(tmp_path / "alphabet.json")
