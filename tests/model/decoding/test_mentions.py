"""Beam searches that are to say one of a source's tokens, on small random networks."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.decoding.constraints import NEVER, History
from model.decoding.mentions import Mentions
from model.decoding.search import Hypotheses
from model.vocabulary import EOS, PAD
from tests.model.decoding.test_beam import Ancestry
from tests.model.random_decoder import SEEDS, RandomDecoder, sentence

LONGEST = 4
WORDS = (4, 5, 6)
SEEDED = range(4)
EVERY = 256
"""Beams that hold all sequences of up to four of three words, and half of them too."""


def every_sequence(block_ngram: int, min_length: int, prefix: tuple[int, ...]) -> Iterator[list[int]]:
    """All that may be written, those that are cut included."""
    for length in range(min_length, LONGEST + 1):
        for body in itertools.product(WORDS, repeat=length):
            rest = body[len(prefix) :] if body[: len(prefix)] == prefix else None
            grams = [body[start : start + block_ngram] for start in range(length - block_ngram + 1)]
            if rest is not None and not (block_ngram and len(grams) > len(set(grams))):
                yield [*body, EOS] if length < LONGEST else [*body]


@pytest.mark.parametrize("seed", SEEDED)
@pytest.mark.parametrize("mentions", [[(6,)], [(5, 6)], [()]])
@pytest.mark.parametrize(
    "rules", [{}, {"block_ngram": 1}, {"block_ngram": 2}, {"min_length": 2}, {"min_length": LONGEST}, {"prefix": (4,)}]
)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_wide_enough_beam_finds_the_best_that_says_it(
    seed: int, mentions: list[tuple[int, ...]], rules: dict[str, Any], penalty: float
) -> None:
    network = RandomDecoder(seed, 1)
    found = network.decode(beam_size=EVERY, max_length=LONGEST, length_penalty=penalty, mentions=mentions, **rules)
    every = list(every_sequence(rules.get("block_ngram", 0), rules.get("min_length", 0), rules.get("prefix", ())))
    saying = [tokens for tokens in every if {*tokens} & {*mentions[0]} and tokens[-1] == EOS]
    best = max(saying or every, key=lambda tokens: network.logprob(0, tokens) / len(tokens) ** penalty)
    assert sentence(found, 0) == best


def test_best_place_to_say_it_is_not_always_the_first() -> None:
    """The networks above are not all alike."""
    searches = [RandomDecoder(seed, 1).decode(beam_size=EVERY, max_length=LONGEST, mentions=[(6,)]) for seed in SEEDED]
    assert {sentence(found, 0).index(6) for found in searches} >= {0, 2}


def saying(found: Hypotheses, mentions: Sequence[Collection[int]]) -> Tensor:
    """True for each sequence (B, K) that says what it is to."""
    rows = [
        [bool({*sentence(found, source, place)} & {*numbers}) for place in range(found.tokens.shape[1])]
        for source, numbers in enumerate(mentions)
    ]
    return torch.tensor(rows)


SAID = [(30,), (11, 12, 13), (39,), (20, 4)] * 10


@pytest.mark.parametrize("beams", [2, 3, 5])
def test_narrow_beam_says_what_it_would_not(beams: int) -> None:
    network = RandomDecoder(1, len(SAID), vocabulary=40, sharpness=0.7)
    options: dict[str, Any] = {"beam_size": beams, "max_length": 20, "length_penalty": 1.0}
    free, found = network.decode(**options), network.decode(mentions=SAID, **options)
    assert saying(free, SAID).float().mean() < 0.4
    assert saying(found, SAID).float().mean() > 0.75  # the others come to no end, whether they say it or not
    for source in range(len(SAID)):
        total = network.logprob(source, sentence(found, source))
        assert float(found.logprobs[source, 0].sum()) == pytest.approx(total, abs=1e-4)


def test_wider_beams_say_it_better() -> None:
    network = RandomDecoder(2, len(SAID), vocabulary=40, sharpness=0.7)
    means = []
    for beams in (2, 4, 10):
        found = network.decode(beam_size=beams, max_length=20, mentions=SAID)
        said = saying(found, SAID)[:, 0]
        means.append(float(found.score()[:, 0][said].mean()))
    assert means[0] < means[1] < means[2]


@given(SEEDS, st.integers(2, 5), st.sampled_from([0.0, 0.7]))
@settings(max_examples=15)
def test_sources_do_not_notice_what_others_must_say(seed: int, beams: int, diversity: float) -> None:
    network = RandomDecoder(seed, 4, vocabulary=20, sharpness=0.7)
    mentions: Sequence[Collection[int]] = [(15,), (), (9, 10, 11, 12), ()]
    options: dict[str, Any] = {"beam_size": 2 * beams, "num_sequences": 2, "diversity": diversity, "max_length": 10}
    together, free = network.decode(mentions=mentions, **options), network.decode(**options)
    for source, numbers in enumerate(mentions):
        alone = network.decode(network.sources[source : source + 1], mentions=[numbers], **options)
        for place in range(2):
            assert sentence(together, source, place) == sentence(alone, 0, place)
        if not numbers:
            steps = min(part.tokens.shape[2] for part in (together, free))
            assert torch.equal(together.logprobs[source, :, :steps], free.logprobs[source, :, :steps])
            assert not together.tokens[source, :, steps:].any()
            assert not free.tokens[source, :, steps:].any()


def test_search_has_no_more_rows() -> None:
    network = RandomDecoder(3, 8, vocabulary=20)
    network.decode(beam_size=3, mentions=[(9, 10, 11)] * 8)
    assert network.rows[0] == 24
    assert max(network.rows) == 24


@pytest.mark.parametrize(
    "options",
    [
        {"method": "greedy"},
        {"method": "sample", "seed": 3, "num_sequences": 2},
        {"beam_size": 1},
        {"beam_size": 5, "num_sequences": 3, "diversity": 0.5},
    ],
)
def test_single_hypotheses_and_draws_take_no_notice(options: dict[str, Any]) -> None:
    network = RandomDecoder(4, 6)
    free, found = network.decode(**options), network.decode(mentions=[(5, 6)] * 6, **options)
    assert torch.equal(free.tokens, found.tokens)
    assert torch.equal(free.logprobs, found.logprobs)


@given(SEEDS)
@settings(max_examples=15)
def test_sequences_that_say_it_come_first(seed: int) -> None:
    network = RandomDecoder(seed, 3, vocabulary=20, sharpness=0.7)
    mentions: Sequence[Collection[int]] = [(15,)] * 3
    found = network.decode(beam_size=6, num_sequences=6, max_length=15, length_penalty=1.0, mentions=mentions)
    met = saying(found, mentions) & (found.tokens == EOS).any(2)
    assert (met.int().diff(dim=1) <= 0).all()
    for source in range(3):
        for part in (found.score(1.0)[source][met[source]], found.score(1.0)[source][~met[source]]):
            assert (part.diff() <= 1e-6).all()


def test_groups_say_it_each_in_its_own_way() -> None:
    network = RandomDecoder(5, len(SAID), vocabulary=40, sharpness=0.7)
    found = network.decode(beam_size=6, num_sequences=2, diversity=3.0, max_length=20, mentions=SAID)
    assert saying(found, SAID).float().mean() > 0.8
    assert sum(sentence(found, source) != sentence(found, source, 1) for source in range(len(SAID))) > 30


class Never:
    """Rules a token out."""

    def __init__(self, token: int) -> None:
        self._token = token

    def __call__(self, logprobs: Tensor, history: History) -> Tensor:
        logprobs[:, self._token] = NEVER
        return logprobs


def test_what_cannot_be_said_changes_nothing() -> None:
    network = RandomDecoder(6, 6, vocabulary=20)
    options: dict[str, Any] = {"beam_size": 4, "num_sequences": 4, "rules": [Never(9)], "max_length": 10}
    free, found = network.decode(**options), network.decode(mentions=[(9,)] * 6, **options)
    assert torch.equal(free.tokens, found.tokens)
    assert torch.equal(free.logprobs, found.logprobs)


def test_attention_follows_what_is_said() -> None:
    network = RandomDecoder(7, 2, vocabulary=20)
    found = network.decode(beam_size=3, mentions=[(15,), (16,)], attention=True)
    assert found.attention is not None
    for source in range(2):
        said = sentence(found, source)
        alone = network.decode(
            network.sources[source : source + 1], prefix=tuple(said), beam_size=1, attention=True, max_length=len(said)
        )
        assert alone.attention is not None
        torch.testing.assert_close(found.attention[source, 0, : len(said)], alone.attention[0, 0, : len(said)])


@given(SEEDS, st.integers(2, 5), st.sampled_from([0.0, 1.0, 2.0]))
@settings(max_examples=40)
def test_best_hypothesis_was_hopeful_all_along(seed: int, beams: int, penalty: float) -> None:
    ancestry = Ancestry()
    network = RandomDecoder(seed, 16, vocabulary=9)
    mentions: Sequence[Collection[int]] = [(5,), (6, 7), (8,), ()] * 4
    network.decode(observers=[ancestry], beam_size=beams, max_length=10, length_penalty=penalty, mentions=mentions)
    assert all(all(hopes) for hopes in ancestry.hopes_of_the_best)


def test_finished_without_saying_it_is_beaten_by_what_says_it() -> None:
    ancestry = Ancestry()
    found = RandomDecoder(1, 8).decode(observers=[ancestry], beam_size=4, num_sequences=4, mentions=[(5,)] * 8)
    _, hopeful = ancestry.steps[-1]
    assert (found.tokens == PAD).any()
    assert 0.1 < hopeful.float().mean() < 0.6


def test_mentions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="token 2 is special"):
        Mentions([(7, EOS)])
    with pytest.raises(ValueError, match="mentions of 3 sources, where there are 2"):
        RandomDecoder(1, 2).decode(mentions=[(5,)] * 3)
