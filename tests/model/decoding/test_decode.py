"""What is said and what is not, and draws, on small random networks."""

import itertools
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.attention import AdditiveAttention
from model.cells import State, build_cell
from model.decoding.constraints import Specials
from model.decoding.decode import decode
from model.decoding.search import Hypotheses, Search, Step
from model.vocabulary import BOS, EOS, PAD, UNK
from tests.model.random_decoder import SEEDS, WORDS, RandomDecoder, Vectors, sentence


@given(SEEDS, st.sampled_from(["greedy", "beam", "sample"]), st.integers(0, 3))
@settings(max_examples=30)
def test_log_probabilities_are_the_models_own(seed: int, method: str, min_length: int) -> None:
    network = RandomDecoder(seed, 2)
    found = network.decode(method=method, min_length=min_length, seed=seed)
    for source in range(2):
        tokens = sentence(found, source)
        assert not {PAD, BOS, UNK} & set(tokens)
        assert len([token for token in tokens if token != EOS]) >= min_length
        assert float(found.score()[source, 0]) == pytest.approx(network.logprob(source, tokens), abs=1e-4)


@given(SEEDS, st.sampled_from(["greedy", "beam", "sample"]), st.integers(1, 3))
@settings(max_examples=20)
def test_no_ngram_occurs_twice(seed: int, method: str, size: int) -> None:
    found = RandomDecoder(seed, 2, vocabulary=20).decode(
        method=method, block_ngram=size, max_length=12, min_length=12, seed=seed
    )
    for source in range(2):
        tokens = sentence(found, source)
        grams = [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
        assert len(grams) == len(set(grams)) >= 10


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_every_hypothesis_begins_with_the_prefix(method: str) -> None:
    network = RandomDecoder(3, 2)
    many = 1 if method == "greedy" else 3
    found = network.decode(prefix=(5, 6), method=method, num_sequences=many)
    assert found.tokens.shape[1] == many
    for source, place in itertools.product(range(2), range(many)):
        tokens = sentence(found, source, place)
        assert tokens[:2] == [5, 6]
        assert float(found.logprobs[source, place].sum()) == pytest.approx(network.logprob(source, tokens), abs=1e-4)


def test_what_the_prefix_makes_impossible_has_no_probability() -> None:
    found = RandomDecoder(3, 1).decode(prefix=(5, 6), beam_size=3, num_sequences=3, max_length=2)
    assert torch.isfinite(found.score()).tolist() == [[True, False, False]]


def test_sampling_follows_the_distribution() -> None:
    network = RandomDecoder(1, 1, sharpness=0.5)
    draws = [network.decode(method="sample", num_sequences=10, seed=seed, max_length=1) for seed in range(300)]
    counts = torch.zeros(WORDS)
    for found in draws:
        counts += torch.bincount(found.tokens.flatten(), minlength=WORDS)
    logits = network.step(torch.tensor([BOS]), (network.sources,), Vectors(network.sources)).output[0]
    logits[[PAD, BOS, UNK]] = -torch.inf
    expected = logits.softmax(0)
    assert (counts / 3000 - expected).abs().max() < 0.03  # three standard deviations of 3,000 draws


def test_sampling_is_repeatable_and_seeds_differ() -> None:
    network = RandomDecoder(1, 3, sharpness=0.5)
    one, again, other = (network.decode(method="sample", num_sequences=3, seed=seed).tokens for seed in (7, 7, 8))
    assert torch.equal(one, again)
    assert not torch.equal(one[:, :, :1], other[:, :, :1])


@given(SEEDS, st.integers(1, 3))
@settings(max_examples=15)
def test_draws_from_a_seed_are_the_same_in_every_batch(seed: int, draws: int) -> None:
    network = RandomDecoder(seed, 4, sharpness=0.5)
    options: Any = {"method": "sample", "seed": seed, "num_sequences": draws}
    together = network.decode(**options)
    for source in range(4):
        alone = network.decode(network.sources[source : source + 1], **options)
        assert [sentence(alone, 0, place) for place in range(draws)] == [
            sentence(together, source, place) for place in range(draws)
        ]


def test_draws_without_a_seed_differ() -> None:
    network = RandomDecoder(1, 2, vocabulary=30, sharpness=0.3)
    found = [network.decode(method="sample", num_sequences=3, max_length=12, min_length=12) for _ in range(2)]
    assert len({tuple(tokens) for one in found for tokens in one.tokens.flatten(0, 1).tolist()}) == 12


def test_narrow_sampling_is_greedy() -> None:
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}):
        network = RandomDecoder(2, 3)
        found = network.decode(method="sample", **options)
        assert [sentence(found, source) for source in range(3)] == [network.greedy(source) for source in range(3)]


def test_top_k_and_top_p_leave_only_likely_words() -> None:
    network = RandomDecoder(5, 1, vocabulary=30, sharpness=0.3)
    logits = network.step(torch.tensor([BOS]), (network.sources,), Vectors(network.sources)).output[0]
    logits[[PAD, BOS, UNK]] = -torch.inf
    ordered = logits.sort(descending=True).indices.tolist()
    mass = logits.softmax(0).sort(descending=True).values.cumsum(0)
    nucleus = ordered[: int((mass < 0.4).sum()) + 1]
    for seed in range(60):
        assert int(network.decode(method="sample", top_k=4, seed=seed, max_length=1).tokens) in ordered[:4]
        assert int(network.decode(method="sample", top_p=0.4, seed=seed, max_length=1).tokens) in nucleus


class Ragged(NamedTuple):
    """Sources of several lengths, as a translator remembers them."""

    values: Tensor
    keys: Tensor
    mask: Tensor

    def take(self, sources: Tensor) -> "Ragged":
        return Ragged(*(part.index_select(0, sources) for part in self))


class RaggedDecoder:
    """A random decoder that attends to its source, with a mask."""

    def __init__(self, seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.attention = AdditiveAttention(5, 6, 4).requires_grad_(False)
            self.cell = build_cell("gru", 5 + 3, 6).requires_grad_(False)
            self.embedding, self.output = 3 * torch.randn(WORDS, 3), 4 * torch.randn(6, WORDS)

    def step(self, tokens: Tensor, state: State, memory: Ragged) -> Step:
        context, alpha = self.attention(state[0], memory.keys, memory.values, memory.mask)
        state = self.cell(torch.cat([context, self.embedding[tokens]], 1), state)
        return Step(state[0] @ self.output, state, alpha)

    def decode(self, values: Tensor, lengths: list[int], search: Search) -> Hypotheses:
        mask = torch.arange(values.shape[1]) < torch.tensor(lengths)[:, None]
        state = (torch.zeros(len(values) * search.rows_per_source, 6),)
        memory = Ragged(values, self.attention.keys(values), mask)
        return decode(self.step, state, memory, search, [Specials()], attention=True)


@given(SEEDS, st.sampled_from(["greedy", "beam", "sample"]), st.lists(st.integers(1, 6), min_size=1, max_size=4))
@settings(max_examples=30)
def test_padded_sources_give_the_sequences_that_they_give_alone(seed: int, method: Any, lengths: list[int]) -> None:
    decoder = RaggedDecoder(seed)
    search = Search(method=method, num_sequences=1 if method == "greedy" else 2, max_length=8, seed=seed)
    values = 3 * torch.randn(len(lengths), max(lengths), 5, generator=torch.Generator().manual_seed(seed))
    together = decoder.decode(values, lengths, search)
    assert together.attention is not None
    for source, length in enumerate(lengths):
        alone = decoder.decode(values[source : source + 1, :length], [length], search)
        steps = alone.tokens.shape[2]
        assert torch.equal(together.tokens[source, :, :steps], alone.tokens[0])
        torch.testing.assert_close(together.logprobs[source, :, :steps], alone.logprobs[0], atol=1e-4, rtol=1e-4)
        assert not together.attention[source, ..., length:].any()
