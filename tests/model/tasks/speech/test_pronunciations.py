"""Words to phones, and texts to symbols."""

from pathlib import Path

import pytest

from model.tasks.speech.pieces import LONGEST, pieces
from model.tasks.speech.pronunciations import SYMBOLS, Pronunciations, Script
from model.tasks.speech.reading import Word, read
from model.tasks.speech.voices import Voice, Voices
from tests.voices import WORDS

KNOWN = Pronunciations({**WORDS, "cat": "K AE T", "dog": "D AO G", "bus": "B AH S"})


def written(script: Script) -> str:
    return "|".join(SYMBOLS[symbol] for symbol in script.symbols)


def test_texts_are_written_in_phones_and_unknown_words_in_letters() -> None:
    script = KNOWN.write_down(read("Go, zorp now. B?", KNOWN))
    assert written(script) == " |G|OW|,|z|o|r|p| |N|AW|.|B|IY|?"
    assert [(word.text, word.known) for word in script.words] == [
        ("go", True),
        ("zorp", False),
        ("now", True),
        ("b", True),
    ]
    assert ["".join(SYMBOLS[s] for s in script.symbols[w.begin : w.end]) for w in script.words] == [
        "GOW",
        "zorp",
        "NAW",
        "BIY",
    ]


def test_possessives_end_as_their_noun_demands() -> None:
    assert [" ".join(KNOWN.phones(word) or ()) for word in ("cat's", "dog's", "bus's", "zorp's")] == [
        "K AE T S",
        "D AO G Z",
        "B AH S AH Z",
        "",
    ]


def test_dictionaries_survive_a_file(tmp_path: Path) -> None:
    KNOWN.write(tmp_path / "words.txt")
    assert Pronunciations.read(tmp_path / "words.txt") == KNOWN
    (tmp_path / "words.txt").write_text("cat K A T\n")
    with pytest.raises(ValueError, match="'cat': 'K A T' are not phones; they are some of AA AE"):
        Pronunciations.read(tmp_path / "words.txt")
    (tmp_path / "words.txt").write_text("cat\n")
    with pytest.raises(ValueError, match="'cat': '' are not phones"):
        Pronunciations.read(tmp_path / "words.txt")


def test_voices_survive_a_file(tmp_path: Path) -> None:
    voices = Voices([Voice(name="ann", words=("go",)), Voice(name="bob", description="digits")])
    voices.write(tmp_path / "voices.json")
    assert Voices.read(tmp_path / "voices.json") == voices
    assert voices.unheard(0, ["go", "on", "on"]) == ["on"]
    with pytest.raises(ValueError, match="no name stands twice"):
        Voices([Voice(name="ann"), Voice(name="ann")])
    (tmp_path / "voices.json").write_text("{}")
    with pytest.raises(ValueError, match="a list of voices is needed"):
        Voices.read(tmp_path / "voices.json")


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("go on. stop now! hello?", [2, 2, 1]),
        ("go " * 60, None),
        (f"{'go ' * 12}, {'on ' * 14}", [12, 14]),
        ("supercalifragilisticexpialidocious " * 12, None),
    ],
)
def test_texts_are_cut_where_one_pauses(text: str, sizes: list[int] | None) -> None:
    parts = read(text, KNOWN)
    found = pieces(parts)
    assert [part for piece in found for part in piece] == parts
    words = [sum(isinstance(part, Word) for part in piece) for piece in found]
    assert min(words) >= 1
    assert max(words) <= LONGEST
    assert sizes is None or words == sizes
    assert max(sum(len(part.text) for part in piece if isinstance(part, Word)) for piece in found) <= 200
