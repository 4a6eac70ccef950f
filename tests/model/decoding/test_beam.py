"""Beam searches against slow, obvious ones, on small random networks."""

import itertools
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.cells import State
from model.decoding.search import Hypotheses
from model.vocabulary import BOS, EOS, PAD, UNK
from tests.model.random_decoder import LENGTH, SEEDS, RandomDecoder, Vectors, sentence


@given(SEEDS)
@settings(max_examples=25)
def test_greedy_takes_the_likeliest_word_each_time(seed: int) -> None:
    network = RandomDecoder(seed, 3)
    found = network.decode(method="greedy")
    for source in range(3):
        assert sentence(found, source) == network.greedy(source)


@given(SEEDS, st.integers(1, 4))
@settings(max_examples=25)
def test_a_batch_gives_what_each_picture_gives_alone(seed: int, beams: int) -> None:
    network = RandomDecoder(seed, 4)
    together = network.decode(beam_size=beams, num_sequences=beams, attention=True)
    for source in range(4):
        alone = network.decode(
            network.sources[source : source + 1], beam_size=beams, num_sequences=beams, attention=True
        )
        for place in range(beams):
            assert sentence(together, source, place) == sentence(alone, 0, place)
    torch.testing.assert_close(together.score().argsort(1, descending=True), torch.arange(beams).expand(4, -1))


def test_a_picture_whose_search_has_ended_leaves_the_batch() -> None:
    network = RandomDecoder(3, 8)
    steps = []
    for source in range(8):
        network.rows.clear()
        network.decode(network.sources[source : source + 1], beam_size=2, max_length=20)
        steps.append(len(network.rows))
    assert len(set(steps)) > 2
    network.rows.clear()
    network.decode(beam_size=2, max_length=20)
    assert network.rows == [2 * sum(most > time for most in steps) for time in range(max(steps))]


@given(SEEDS)
@settings(max_examples=25)
def test_one_beam_is_greedy_and_more_never_score_below_it(seed: int) -> None:
    network = RandomDecoder(seed, 6, sharpness=0.7)
    greedy = network.decode(method="greedy").score()
    one = network.decode(beam_size=1)
    assert [sentence(one, source) for source in range(6)] == [network.greedy(source) for source in range(6)]
    for beams in (2, 3, 5):
        assert (network.decode(beam_size=beams).score() >= greedy - 1e-5).all()


@given(SEEDS)
@settings(max_examples=10)
def test_a_wide_enough_beam_finds_the_likeliest_sentence(seed: int) -> None:
    network = RandomDecoder(
        seed, 1, vocabulary=6
    )  # two words besides the specials: a beam of 10 keeps all prefixes of 3
    found = network.decode(beam_size=10, max_length=3)
    every = [
        [*body, *end]
        for length, end in ((0, [EOS]), (1, [EOS]), (2, [EOS]), (3, []))
        for body in itertools.product((4, 5), repeat=length)
    ]
    best = max(every, key=lambda tokens: network.logprob(0, tokens))
    assert sentence(found, 0) == best


@given(SEEDS, st.floats(0, 2))
@settings(max_examples=15)
def test_length_penalty_ranks_by_normalised_log_probability(seed: int, penalty: float) -> None:
    found = RandomDecoder(seed, 2).decode(beam_size=4, num_sequences=4, length_penalty=penalty)
    lengths = (found.tokens != PAD).sum(2)
    scores = found.logprobs.sum(2) / lengths**penalty
    assert (scores.diff(dim=1) <= 1e-6).all()


def test_length_penalty_favours_longer_sentences() -> None:
    lengths = []
    for penalty in (0.0, 1.0, 2.0):
        found = [RandomDecoder(seed, 4).decode(beam_size=4, length_penalty=penalty) for seed in range(20)]
        lengths.append(sum(int((one.tokens != PAD).sum()) for one in found))
    assert lengths[0] < lengths[1] < lengths[2]


@given(SEEDS)
@settings(max_examples=15)
def test_attention_follows_its_hypothesis(seed: int) -> None:
    network = RandomDecoder(seed, 2)
    found = network.decode(beam_size=3, num_sequences=3, attention=True)
    assert found.attention is not None
    for source, place in itertools.product(range(2), range(3)):
        memory = Vectors(network.sources[source : source + 1])
        state: State = (memory.vectors,)
        last = BOS
        for time, token in enumerate(sentence(found, source, place)):
            _, state, attention = network.step(torch.tensor([last]), state, memory)
            assert attention is not None
            torch.testing.assert_close(found.attention[source, place, time], attention[0])
            last = token


@given(SEEDS)
@settings(max_examples=15)
def test_diverse_groups_differ(seed: int) -> None:
    network = RandomDecoder(seed, 2, vocabulary=30, sharpness=0.5)
    first = [
        {found.tokens[source, place, 0].item() for place in range(3)}
        for found in [network.decode(beam_size=6, num_sequences=3, diversity=10.0)]
        for source in range(2)
    ]
    assert all(len(words) == 3 for words in first)  # a penalty this high forbids the same first word


def searched_slowly(
    network: RandomDecoder, source: int, beams: int, groups: int, penalty: float, diversity: float
) -> Any:
    """The best sentence of each group, best first, by a search that looks at all words after every hypothesis."""
    memory = Vectors(network.sources[source : source + 1])
    kept: list[list[tuple[list[int], float, State]]] = [[([], 0.0, (memory.vectors,))] for _ in range(groups)]
    greedy = [0] * groups
    for _ in range(LENGTH):
        said: Counter[int] = Counter()
        for group in range(groups):
            options = []
            for parent, (tokens, total, state) in enumerate(kept[group]):
                if EOS in tokens:
                    options.append((total / len(tokens) ** penalty, parent, (tokens, total, state)))
                    continue
                last = torch.tensor([tokens[-1] if tokens else BOS])
                logits, after, _ = network.step(last, state, memory)
                for word, logprob in enumerate(logits.log_softmax(1)[0].tolist()):
                    if word not in (PAD, BOS, UNK):
                        score = (total + logprob) / (len(tokens) + 1) ** penalty - diversity * said[word]
                        options.append((score, parent, ([*tokens, word], total + logprob, after)))
            options.sort(key=lambda option: -option[0])
            lead = next(option for option in options if option[1] == greedy[group])
            best = options[:beams] if lead in options[:beams] else [*options[: beams - 1], lead]
            greedy[group] = best.index(lead)
            said.update(tokens[-1] for _, parent, (tokens, *_) in best if EOS not in kept[group][parent][0])
            kept[group] = [hypothesis for *_, hypothesis in best]
    found = [max((total / len(tokens) ** penalty, tokens) for tokens, total, _ in group) for group in kept]
    return [tokens for _, tokens in sorted(found, reverse=True)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("vocabulary", [6, 40])
@pytest.mark.parametrize(("beams", "groups", "diversity"), [(4, 1, 0.0), (6, 3, 0.4), (6, 2, 3.0)])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_searches_find_what_slow_ones_find(
    seed: int, vocabulary: int, beams: int, groups: int, diversity: float, penalty: float
) -> None:
    network = RandomDecoder(seed, 2, vocabulary=vocabulary, sharpness=0.7)
    found = network.decode(beam_size=beams, num_sequences=groups, diversity=diversity, length_penalty=penalty)
    for source in range(2):
        expected = searched_slowly(network, source, beams // groups, groups, penalty, diversity)
        assert [sentence(found, source, place) for place in range(groups)] == expected


@given(SEEDS)
@settings(max_examples=10)
def test_diverse_search_without_company_is_beam_search(seed: int) -> None:
    network = RandomDecoder(seed, 2)
    torch.testing.assert_close(
        network.decode(beam_size=4, diversity=1.0).tokens, network.decode(beam_size=4).tokens, rtol=0, atol=0
    )


class Ancestry:
    """Remembers whom a search gave hope."""

    def __init__(self) -> None:
        self.steps: list[tuple[Tensor, Tensor]] = []
        self.hopes_of_the_best: list[list[bool]] = []

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        self.steps.append((parents, hopeful))

    def end(self, found: Hypotheses, places: Tensor) -> None:
        for source, place in enumerate(places[:, 0].tolist()):
            hopes = []
            for parents, hopeful in reversed(self.steps):
                hopes.append(bool(hopeful[source, place]))
                place = int(parents[source, place])
            self.hopes_of_the_best.append(hopes)


@given(SEEDS, st.integers(2, 4), st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.sampled_from([0.0, 1.0]))
@example(108, 3, 0.0, 0.0)  # here the greedy hypothesis stays although it is beaten, and wins
@example(258, 3, 1.0, 0.0)
@settings(max_examples=40)
def test_the_best_hypothesis_was_hopeful_all_along(seed: int, beams: int, penalty: float, diversity: float) -> None:
    ancestry = Ancestry()
    RandomDecoder(seed, 16).decode(
        observers=[ancestry],
        beam_size=beams,
        num_sequences=2,
        max_length=10,
        length_penalty=penalty,
        diversity=diversity,
    )
    assert all(all(hopes) for hopes in ancestry.hopes_of_the_best)


def test_hypotheses_that_are_beaten_have_no_hope() -> None:
    ancestry = Ancestry()
    RandomDecoder(1, 8).decode(observers=[ancestry], beam_size=4)
    hopeful = torch.stack([hopeful for _, hopeful in ancestry.steps])  # (T, B, K)
    assert 0.2 < hopeful.float().mean() < 0.9
