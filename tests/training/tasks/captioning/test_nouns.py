"""Nouns of captions, and of ImageNet's classes."""

import pytest

from model.vocabulary import tokenize
from training.tasks.captioning.nouns import Noun, Nouns, imagenet_nouns, singulars


@pytest.fixture(scope="module")
def nouns() -> Nouns:
    return Nouns.read()


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Two dogs chase a frisbee.", ["dog", "frisbee"]),
        ("A hot dog on a plate", ["hot dog", "plate"]),
        ("Men and children on benches", ["man", "child", "bench"]),
        ("The buses pass a glass of wine, and glasses.", ["bus", "glass", "wine", "glasses"]),
        ("Women, snowmen and other people", ["woman", "snowman", "person"]),
        ("She looks at him.", []),
    ],
)
def test_nouns_of_a_caption_are_the_longest_at_each_place(nouns: Nouns, caption: str, expected: list[str]) -> None:
    assert [nouns.nouns[number].name for number in nouns.mentioned(tokenize(caption))] == expected


def test_synonyms_are_one_noun(nouns: Nouns) -> None:
    assert nouns.number("sofa") == nouns.number("couch") == nouns.numbers["couch"]
    assert nouns.number("bicycles") == nouns.numbers["bike"]
    assert nouns.number("thing") is None


def test_broader_nouns_lead_up_and_never_back(nouns: Nouns) -> None:
    assert "animal" in nouns.nouns[nouns.numbers["dog"]].broader
    for number, broader in enumerate(nouns.broader):
        assert number not in broader
        assert all(number not in nouns.broader[other] for other in broader)


@pytest.mark.parametrize(
    ("word", "expected"), [("ponies", "pony"), ("dishes", "dish"), ("dogs", "dog"), ("bus", None), ("grass", None)]
)
def test_singulars_of_regular_plurals(word: str, expected: str | None) -> None:
    assert (expected in singulars(word)) if expected else list(singulars(word)) == []


def test_no_noun_stands_twice(nouns: Nouns) -> None:
    names = [noun.name for noun in nouns.nouns]
    assert len(set(names)) == len(names)


def test_every_imagenet_class_is_a_noun(nouns: Nouns) -> None:
    classes = imagenet_nouns(nouns)
    assert len(classes) == 1000
    assert all(classes)
    assert all(len(set(numbers)) == len(numbers) for numbers in classes)


CLASSES = {
    1: "goldfish", 7: "rooster", 130: "flamingo", 151: "dog", 281: "cat", 340: "zebra", 430: "ball", 620: "laptop",
    673: "computer mouse", 851: "tv", 920: "traffic light", 937: "broccoli", 985: "daisy",
}  # fmt: skip


@pytest.mark.parametrize(("number", "name"), CLASSES.items())
def test_imagenet_classes_have_the_words_people_use(nouns: Nouns, number: int, name: str) -> None:
    assert nouns.numbers[name] in imagenet_nouns(nouns)[number]


def test_a_noun_wins_over_the_same_word_for_another() -> None:
    nouns = Nouns([Noun("cup", ("mug",), ()), Noun("mug", (), ())])
    assert nouns.number("mug") == 1
