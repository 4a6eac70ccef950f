"""What is counted of the captions' wording."""

import pytest

from training.tasks.captioning.wording import UNFINISHED, wording


def test_wording_of_known_captions() -> None:
    captions = ["a dog runs on the grass", "a man in a", "a dog and a dog", "a red dog and a red dog run", ""]
    found = wording([caption.split() for caption in captions])
    assert found == {
        "mean_length": (6 + 4 + 5 + 8 + 0) / 5,
        "vocabulary_used": 11,
        "bad_endings": 1 / 5,
        "repeated_bigrams": 2 / 5,
        "repeated_trigrams": 1 / 5,
    }


@pytest.mark.parametrize("ending", ["with", "the", "and", "in front of", "while", "next to", "of her"])
def test_captions_that_break_off(ending: str) -> None:
    assert wording([f"a man stands {ending}".split()])["bad_endings"] == 1


@pytest.mark.parametrize("ending", ["outside", "up", "a hat", "behind", "together", "down"])
def test_captions_that_end(ending: str) -> None:
    assert wording([f"a man stands {ending}".split()])["bad_endings"] == 0
    assert ending not in UNFINISHED
