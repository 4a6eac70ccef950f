"""Prompts and digits as they are published, to clips of voices."""

from pathlib import Path

import pytest

from model.tasks.speech.reading import Word
from tests.voices import TEXTS, WORDS, write_voices
from training.data.base import DataError
from training.tasks.speech.dictionary import read_dictionary
from training.tasks.speech.reader import PROMPTS, read_voices


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices"))


def test_prompts_and_digits_are_split(folder: Path) -> None:
    dictionary = read_dictionary(folder / "words.dict")
    found = read_voices(folder, dictionary)
    prompts = {split: [c for c in clips if c.voice == PROMPTS] for split, clips in found.splits.items()}
    assert sum(map(len, prompts.values())) == len(TEXTS)  # neither the beep nor what has no file
    assert all(len(clip.words) >= 3 for split in ("dev", "test") for clip in prompts[split])
    held_out = {clip.words for split in ("dev", "test") for clip in prompts[split]}
    assert held_out.isdisjoint(clip.words for clip in prompts["train"])
    assert {clip.voice for clips in found.splits.values() for clip in clips} == {PROMPTS, "ann", "bob"}
    digits = [clip for clip in found.split("test") if clip.voice == "ann"]
    assert [clip.text for clip in digits] == ["zero", "one", "two"]
    assert digits[0].words == (Word("zero"),)
    assert found.sha256 == read_voices(folder, dictionary).sha256
    assert found.sha256 != read_voices(folder, dictionary, ("train",)).sha256


def test_dictionaries_are_read(folder: Path, tmp_path: Path) -> None:
    assert read_dictionary(folder / "words.dict").phones("stop") == tuple(WORDS["stop"].split())
    (tmp_path / "cmu.dict").write_text(";;; a comment\nREAD  R IY1 D # now\nread(2) R EH1 D\n'tis T IH1 Z\n1st X\n")
    found = read_dictionary(tmp_path / "cmu.dict")
    assert len(found) == 2
    assert found.phones("read") == ("R", "IY", "D")
    (tmp_path / "cmu.dict").write_text("read R EE D\n")
    with pytest.raises(DataError, match=r"cmu\.dict: 'read': 'R EE D' are not phones"):
        read_dictionary(tmp_path / "cmu.dict")


def test_the_default_dictionary_is_pocketsphinx_s() -> None:
    found = read_dictionary(None)
    assert len(found) > 100_000
    assert found.phones("asterisk") == ("AE", "S", "T", "ER", "IH", "S", "K")


def test_faults_are_told(folder: Path, tmp_path: Path) -> None:
    dictionary = read_dictionary(folder / "words.dict")
    with pytest.raises(DataError, match="has neither of the folders asterisk and fsdd"):
        read_voices(tmp_path, dictionary)
    (tmp_path / "asterisk").mkdir()
    with pytest.raises(DataError, match=r"core-sounds-en\.txt"):
        read_voices(tmp_path, dictionary)
    (tmp_path / "asterisk" / "core-sounds-en.txt").write_text("a: go\n")
    with pytest.raises(DataError, match="names no recording that is in"):
        read_voices(tmp_path, dictionary)
    (tmp_path / "asterisk" / "wav").mkdir()
    (tmp_path / "asterisk" / "wav" / "a.wav").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"a\.wav: this is no recording"):
        read_voices(tmp_path, dictionary)
