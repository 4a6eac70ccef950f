"""Captions that leave gender and the colour of skin unsaid."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, DecoderConfig, DecodingConfig
from model.tasks.captioning.neutral import COLOURS, INSTEAD, ORIGINS, PEOPLE, RELATIVES, Neutral
from model.vision.config import EncoderConfig, PreprocessingConfig
from model.vocabulary import EOS, Vocabulary

SAID = "a person child people black dog runs with their in"
GENDERED = "man woman boy girl men his her he asian him"
WORDS = Vocabulary.build([f"{SAID} {GENDERED}".split()])


def number(word: str) -> int:
    return WORDS.words.index(word)


def test_no_word_has_two_parts() -> None:
    lists = [*INSTEAD.values(), RELATIVES, ORIGINS, COLOURS, PEOPLE]
    words = [word for text in lists for word in text.split()]
    assert len(words) == len(set(words))
    assert not INSTEAD.keys() & {word for text in [*INSTEAD.values(), RELATIVES, ORIGINS] for word in text.split()}


@given(seed=st.integers(0, 1000), last=st.sampled_from(["a", "with", "in"]))
def test_probability_moves_to_what_is_said_instead(seed: int, last: str) -> None:
    before = torch.randn(2, len(WORDS), generator=torch.Generator().manual_seed(seed)).log_softmax(1)
    given_ = before.clone()
    after = Neutral(WORDS)(before, np.array([[number(last)]] * 2))
    assert torch.equal(before, given_)
    shares, own = after.exp(), before.exp()
    for word, others in {"person": ("man", "woman"), "child": ("boy", "girl"), "their": ("his", "her")}.items():
        whole = own[:, [number(word), *map(number, others)]].sum(1)
        torch.testing.assert_close(shares[:, number(word)], whole)
    for word in GENDERED.split():
        assert (shares[:, number(word)] == 0).all(), word
    for word in ("a", "black", "dog", "runs", "with", "in"):
        assert torch.equal(after[:, number(word)], before[:, number(word)])


def test_people_have_no_colour_but_dogs_have() -> None:
    before = torch.zeros(2, len(WORDS)).log_softmax(1)
    black, plain = Neutral(WORDS)(before, np.array([[number("a"), number("black")], [number("black"), number("a")]]))
    for word in ("person", "people", "child"):
        assert black[number(word)] == float("-inf") < plain[number(word)]
    assert black[number("dog")] == plain[number("dog")] == before[0, number("dog")]


def test_first_word_has_nothing_before_it() -> None:
    before = torch.zeros(1, len(WORDS)).log_softmax(1)
    assert Neutral(WORDS)(before, np.empty((1, 0), np.int64))[0, number("person")] > before[0, 0]


def test_vocabulary_without_people_is_left_as_it_is() -> None:
    dogs = Vocabulary.build([["a", "dog", "runs"]])
    before = torch.randn(1, len(dogs))
    assert torch.equal(Neutral(dogs)(before, np.array([[4]])), before)


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_no_caption_says_them_unless_it_begins_so(method: str) -> None:
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tf_efficientnet_lite0", preprocessing=PreprocessingConfig(size=32)),
        decoder=DecoderConfig(embedding_size=8, hidden_size=8, attention_size=4),
    )
    torch.manual_seed(0)
    captioner = Captioner(config, WORDS).eval()
    with torch.no_grad():
        captioner.decoder.output.bias[[number(word) for word in GENDERED.split()]] += 3
        captioner.decoder.output.bias[number("man")] += 3
        captioner.decoder.output.bias[EOS] -= 3
    grid = torch.randn(6, 1, 1280)
    decoding = DecodingConfig.model_validate({"method": method, "seed": 1, "max_length": 12})
    gendered = {*GENDERED.split()}
    assert all(gendered & {*best[0].text.split()} for best in captioner.generate(grid, decoding))
    neutral = DecodingConfig.model_validate(decoding.model_dump() | {"neutral": True})
    captions = [best[0] for best in captioner.generate(grid, neutral)]
    assert not any(gendered & {*caption.text.split()} for caption in captions)
    assert any({"person", "child"} & {*caption.text.split()} for caption in captions)
    begun = DecodingConfig.model_validate(neutral.model_dump() | {"prefix": "a man with"})
    for (caption,) in captioner.generate(grid, begun):
        assert caption.text.startswith("a man with")
        assert not gendered & {*caption.text.split()[3:]}
