"""Tags of sentences without pictures."""

import numpy as np

from model.tasks.captioning.tagger import Tags
from training.tasks.captioning.imagined import MOST, ImaginedTags
from training.tasks.captioning.nouns import Noun, Nouns

NOUNS = Nouns([Noun(name, (), ()) for name in ("dog", "ball", "zebra", "tree", "shadow")])
TAGS = Tags(list(NOUNS.numbers), [()] * 5, [[2]], learnt=[0, 1, 3])
SENTENCES = [["a", "dog", "with", "a", "ball"], ["two", "zebras"], ["a", "shadow"], ["nothing"]]


def imagined() -> ImaginedTags:
    """The tagger was asked about six pictures of dogs, and takes some for trees."""
    probabilities = np.tile(np.array([0.9, 0.0, 0.0, 0.4, 0.0], np.float32), (6, 1))
    probabilities[:, 0] = np.arange(4, 10) / 10
    targets = np.tile(np.array([1.0, 0.0, 0.0, 0.0, 0.0], np.float32), (6, 1))
    return ImaginedTags(NOUNS, SENTENCES, probabilities, targets, TAGS)


def test_tags_are_the_nouns_of_the_sentence_and_mistakes() -> None:
    drawn = imagined()([0] * 200, np.random.default_rng(0))  # (N, V)
    assert {round(float(value), 1) for value in drawn[:, 0]} == {0.4, 0.5, 0.6, 0.7, 0.8, 0.9}  # as in its pictures
    assert (drawn[:, 3] == np.float32(0.4)).all()  # the mistake that goes with dogs
    assert (drawn[:, 1] <= 0.3).all()  # no picture has a ball, so the tagger would hardly see it
    assert not drawn[:, [2, 4]].any()


def test_thing_that_the_classifier_knows_is_sure_or_overlooked() -> None:
    zebra = imagined()([1] * 400, np.random.default_rng(0))[:, 2]
    assert 0.65 < (zebra >= 0.3).mean() < 0.85
    assert not zebra[zebra < 0.3].any()


def test_draws_depend_on_the_generator_alone() -> None:
    made = imagined()
    once, twice = (made([0, 1, 2, 3], np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(once, twice)
    assert once.shape == (4, 5)
    assert MOST >= 5
