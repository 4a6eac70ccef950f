"""Captions that say what the tagger is sure of: which words those are, and that they are said."""

from typing import Any

import pytest
import torch
from torch import Tensor

from model.decoding.search import Step
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, DecoderConfig, DecodingConfig, TaggingConfig
from model.tasks.captioning.naming import Naming, forms
from model.tasks.captioning.tagger import Tags
from model.vision.config import EncoderConfig, PreprocessingConfig
from model.vocabulary import EOS, UNK, Vocabulary
from training.tasks.captioning.ensemble import Ensemble

NAMES = ["animal", "dog", "beagle", "cat", "fire hydrant", "shark", "person", "man", "boy"]
TAGS = Tags(NAMES, [[], [0], [1, 0], [0], [], [0], [], [6], [6]])
SENTENCES = ["a dog runs", "dogs beagle cat", "animal animals", "hydrant is in a", "person people man men boy"]
WORDS = Vocabulary.build([sentence.split() for sentence in SENTENCES])
NAMING = Naming(TAGS, WORDS)


def probabilities(**tags: float) -> Tensor:
    row = torch.zeros(1, len(NAMES))
    for name, value in tags.items():
        row[0, NAMES.index(name.replace("_", " "))] = value
    return row


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("dog", "dogs"),
        ("bus", "buses"),
        ("brush", "brushes"),
        ("puppy", "puppies"),
        ("leaf", "leaves"),
        ("knife", "knives"),
        ("woman", "women"),
        ("person", "people"),
        ("grandchild", "grandchildren"),
        ("goose", "geese"),
    ],
)
def test_forms_have_the_plural(noun: str, plural: str) -> None:
    found = list(forms(noun))
    assert found[0] == noun
    assert plural in found


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"dog": 0.8}, "dog dogs"),
        ({"dog": 0.4}, ""),
        ({"fire_hydrant": 0.9}, "hydrant"),
        # A relative has to be at least half as likely.
        ({"dog": 0.9, "beagle": 0.6, "cat": 0.3}, "dog dogs beagle"),
        ({"dog": 0.9, "cat": 0.5}, "dog dogs cat"),
        ({"man": 0.7, "boy": 0.6, "dog": 0.6}, "man men boy"),
        # The most general counts where nothing else does, and a shark is no word here.
        ({"animal": 1.0, "dog": 0.9}, "dog dogs"),
        ({"animal": 1.0, "shark": 1.0}, "animal animals"),
        ({"animal": 1.0, "dog": 0.3}, "animal animals"),
        ({"animal": 1.0, "dog": 0.6, "man": 0.7}, "man men"),
        ({"person": 0.9, "man": 0.4}, "person people"),
        ({"shark": 1.0}, ""),
    ],
)
def test_likeliest_tag_that_can_be_said_is_mentioned(tags: dict[str, float], words: str) -> None:
    (found,) = NAMING.to_mention(probabilities(**tags), 0.5)
    assert {WORDS.words[number] for number in found} == set(words.split())


def test_no_word_is_unknown() -> None:
    assert all(number > UNK for numbers in NAMING.words for number in numbers)
    assert not NAMING.words[NAMES.index("shark")]


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    """A captioner that sees dogs everywhere and would rather say something else."""
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tf_efficientnet_lite0", preprocessing=PreprocessingConfig(size=32)),
        decoder=DecoderConfig(embedding_size=8, hidden_size=8, attention_size=4),
        tagging=TaggingConfig(),
    )
    torch.manual_seed(0)
    made = Captioner(config, WORDS, tags=TAGS).eval().requires_grad_(False)
    assert made.tagger is not None
    made.tagger.head.weight.zero_()
    made.tagger.head.bias.fill_(-9)
    made.tagger.head.bias[NAMES.index("dog")] = 2
    made.decoder.output.bias[EOS] += 2
    made.decoder.output.bias[[*WORDS.encode(["dog", "dogs"])]] -= 4
    return made


GRID = torch.randn(6, 1, 1280, generator=torch.Generator().manual_seed(1))


def saying(captioner: Captioner, **decoding: object) -> list[bool]:
    found = captioner.generate(GRID, DecodingConfig.model_validate({"min_length": 3} | decoding))
    return [bool({"dog", "dogs"} & {*best[0].text.split()}) for best in found]


def test_captions_say_what_the_tagger_is_sure_of(captioner: Captioner) -> None:
    assert not any(saying(captioner))
    assert all(saying(captioner, mention=0.5))
    assert not any(saying(captioner, mention=0.9))  # the tagger is sure by 0.88
    assert not any(saying(captioner, mention=0.5, method="greedy"))


def test_callers_may_say_what_to_mention(captioner: Captioner) -> None:
    cat = WORDS.encode(["cat"])
    found = captioner.generate(GRID, DecodingConfig(mention=0.5, min_length=3), mentions=[cat, (), cat, (), cat, ()])
    free = captioner.generate(GRID, DecodingConfig(min_length=3))
    for place, (captions, others) in enumerate(zip(found, free, strict=True)):
        assert place % 2 == 0 or captions[0].text == others[0].text
        assert place % 2 or "cat" in captions[0].text.split()


def test_ensemble_mentions_what_its_first_member_sees(captioner: Captioner) -> None:
    captions = Ensemble([captioner, captioner]).captions([GRID, GRID], DecodingConfig(mention=0.5, min_length=3))
    assert all({"dog", "dogs"} & {*caption.text.split()} for caption in captions)


def test_mentions_without_tags_are_refused(captioner: Captioner, tiny_captioner: Captioner) -> None:
    grid = tiny_captioner.encode(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match=r"mention=0.5: .* no tags to go by"):
        tiny_captioner.generate(grid, DecodingConfig(mention=0.5))
    with pytest.raises(ValueError, match=r"people=0.3: .* no tags to go by"):
        tiny_captioner.generate(grid, DecodingConfig(people=0.3))
    with pytest.raises(ValueError, match=r"decoding.people=0.3: without `tagging` there are no tags"):
        CaptionerConfig(decoding=DecodingConfig(people=0.3))
    with pytest.raises(ValueError, match=r"decoding.mention=0.5: without `tagging` there are no tags"):
        CaptionerConfig(decoding=DecodingConfig(mention=0.5))
    assert CaptionerConfig(decoding=DecodingConfig(mention=0.5), tagging=TaggingConfig()).decoding.mention == 0.5


def test_words_for_people_are_of_their_tags_and_others() -> None:
    assert {WORDS.words[number] for number in NAMING.words_for_people} == {"person", "people", "man", "men", "boy"}
    assert NAMING.people(probabilities(man=0.4, dog=0.9)) == pytest.approx(0.4)
    assert NAMING.people(probabilities(person=0.6, man=0.4)) == pytest.approx(0.6)


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_nobody_is_named_where_nobody_is_seen(captioner: Captioner, method: str) -> None:
    def named(people: float, boys: float) -> bool:
        """True if the first of two captions that are likely to have a boy has one; the other always has."""
        tags = torch.full((2, len(NAMES)), 0.9)
        tags[0, [NAMES.index(name) for name in ("person", "man", "boy")]] = boys
        decoding = DecodingConfig.model_validate({"method": method, "people": people, "min_length": 3, "seed": 1})
        memory = captioner.encode_source(GRID[:2], tags)
        state = captioner.decoder.initial_state(memory, decoding.search.rows_per_source)
        boy = WORDS.encode(["boy"])[0]

        def step(*given: Any) -> Step:
            found: Step = captioner.decoder.step(*given)
            return found._replace(output=found.output.index_fill(1, torch.tensor([boy]), 5.0))

        first, second = captioner.search(step, state, memory, decoding, tags)
        assert "boy" in second[0].text.split()
        return "boy" in first[0].text.split()

    assert named(0.0, 0.0)
    assert named(0.3, 0.4)
    assert not named(0.3, 0.2)


def test_prefix_may_name_people(captioner: Captioner) -> None:
    captions = captioner.generate(GRID, DecodingConfig(people=0.5, prefix="a boy", min_length=4))
    assert all(best[0].text.startswith("a boy") for best in captions)
    others = {WORDS.words[number] for number in NAMING.words_for_people} - {"boy"}
    assert not any(others & {*best[0].text.split()} for best in captions)


def test_where_people_are_seen_nothing_else_has_to_be_said(captioner: Captioner) -> None:
    tags = torch.zeros(2, len(NAMES))
    tags[:, NAMES.index("dog")] = 0.9
    tags[1, NAMES.index("man")] = 0.4
    asked = {
        people: captioner.to_mention(DecodingConfig(mention=0.5, people=people), tags) for people in (0.0, 0.3, 0.5)
    }
    assert [list(mentions.asked) for mentions in asked.values() if mentions] == [
        [True, True],
        [True, False],
        [True, True],
    ]
