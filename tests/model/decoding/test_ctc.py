"""Searches over frames, held to brute force over all paths; and alignments."""

import math
from collections.abc import Sequence
from itertools import groupby, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.decoding.ctc import BLANK, Floats, Language, Weights, align, greedy, prefix_beam_search

Symbols = tuple[int, ...]


def said_by(path: Sequence[int]) -> Symbols:
    """The symbols of a path."""
    return tuple(symbol for symbol, _ in groupby(path) if symbol != BLANK)


def all_sums(logprobs: Floats) -> dict[Symbols, float]:
    """Log-probability of every sequence of symbols, summed over its paths."""
    found: dict[Symbols, float] = {}
    for path in product(range(logprobs.shape[1]), repeat=len(logprobs)):
        cost = float(sum(frame[symbol] for frame, symbol in zip(logprobs, path, strict=True)))
        symbols = said_by(path)
        found[symbols] = np.logaddexp(found.get(symbols, -math.inf), cost)
    return found


class Bigrams(Language[int]):
    """Probabilities of a symbol after the last one, where 0 is both the beginning and the end."""

    def __init__(self, logprobs: Floats) -> None:
        self.logprobs = logprobs.tolist()
        self.reads = 0

    def start(self) -> tuple[Sequence[float], int]:
        return self.logprobs[BLANK], BLANK

    def read(self, states: Sequence[int], symbols: Sequence[int]) -> list[tuple[Sequence[float], int]]:
        self.reads += len(symbols)
        return [(self.logprobs[symbol], symbol) for symbol in symbols]

    def logprob(self, symbols: Symbols) -> float:
        """Of a whole sequence, its end included."""
        around = (BLANK, *symbols, BLANK)
        return sum(float(self.logprobs[before][after]) for before, after in pairwise(around))


def drawn(seed: int, rows: int, columns: int, sharpness: float = 2.0) -> Floats:
    logits = sharpness * np.random.default_rng(seed).normal(size=(rows, columns))
    logprobs: Floats = (logits - np.logaddexp.reduce(logits, 1)[:, None]).astype(np.float32)
    return logprobs


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, frames=st.integers(0, 5), symbols=st.integers(1, 3))
def test_search_finds_the_likeliest_text_and_its_probability(seed: int, frames: int, symbols: int) -> None:
    logprobs = drawn(seed, frames, symbols + 1)
    sums = all_sums(logprobs)
    found = prefix_beam_search(logprobs, 10_000)
    assert {each.symbols for each in found} == {said for said, total in sums.items() if total > -math.inf}
    for each in found:
        assert each.score == pytest.approx(sums[each.symbols], abs=1e-4)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    frames=st.integers(1, 5),
    language=st.floats(0.1, 2),
    length=st.floats(-1, 2),
)
def test_search_with_a_language_model_finds_the_best_score(
    seed: int, frames: int, language: float, length: float
) -> None:
    logprobs, bigrams = drawn(seed, frames, 4), Bigrams(drawn(seed + 1, 4, 4))
    weights = Weights(language, length)
    scores = {
        said: total + language * bigrams.logprob(said) + length * len(said)
        for said, total in all_sums(logprobs).items()
    }
    found = prefix_beam_search(logprobs, 10_000, bigrams, weights)
    for each in found:
        assert each.score == pytest.approx(scores[each.symbols], abs=1e-4)
    assert found[0].score == pytest.approx(max(scores.values()), abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, beam_size=st.integers(1, 4))
def test_narrow_beam_never_claims_more_than_there_is(seed: int, beam_size: int) -> None:
    logprobs = drawn(seed, 6, 3)
    sums = all_sums(logprobs)
    found = prefix_beam_search(logprobs, beam_size)
    assert 1 <= len(found) <= beam_size
    assert all(each.score <= sums[each.symbols] + 1e-4 for each in found)


def test_language_model_reads_each_prefix_once() -> None:
    logprobs, bigrams = drawn(3, 40, 4, 1.0), Bigrams(drawn(4, 4, 4))
    found = prefix_beam_search(logprobs, 4, bigrams, Weights(1.0))
    assert bigrams.reads <= 4 * len(logprobs)
    alone = prefix_beam_search(logprobs, 4, Bigrams(drawn(4, 4, 4)), Weights(1.0))
    assert found == alone


def test_inaudible_symbols_are_not_tried() -> None:
    logprobs = np.log(np.array([[0.5, 0.49, 0.01], [0.3, 0.69, 0.01]], np.float32))
    assert (2,) in {each.symbols for each in prefix_beam_search(logprobs, 100)}
    assert {each.symbols for each in prefix_beam_search(logprobs, 100, least=math.log(0.1))} == {(), (1,)} | {
        each.symbols for each in prefix_beam_search(logprobs[:, :2], 100) if len(each.symbols) < 2
    }


def test_only_the_likeliest_symbols_are_tried() -> None:
    logprobs = np.log(np.array([[0.1, 0.3, 0.4, 0.2], [0.1, 0.5, 0.1, 0.3]], np.float32))
    found = {each.symbols for each in prefix_beam_search(logprobs, 100, most=1)}
    assert found == {(), (2,), (1,), (2, 1)}
    assert len({each.symbols for each in prefix_beam_search(logprobs, 100, most=3)}) == 1 + 3 + 6


@settings(max_examples=60, deadline=None)
@given(seed=seeds, frames=st.integers(0, 6))
def test_greedy_is_the_text_of_the_likeliest_path(seed: int, frames: int) -> None:
    logprobs = drawn(seed, frames, 3)
    assert greedy(logprobs) == said_by(logprobs.argmax(1).tolist())


@settings(max_examples=100, deadline=None)
@given(seed=seeds, frames=st.integers(1, 6), symbols=st.lists(st.integers(1, 2), max_size=4))
def test_alignment_is_the_likeliest_path_of_a_text(seed: int, frames: int, symbols: list[int]) -> None:
    logprobs = drawn(seed, frames, 3)
    paths = [path for path in product(range(3), repeat=frames) if said_by(path) == tuple(symbols)]
    if not paths:
        with pytest.raises(ValueError, match="frames are too few to say"):
            align(logprobs, symbols)
        return
    spans = align(logprobs, symbols)
    path = np.zeros(frames, np.int64)
    for symbol, span in zip(symbols, spans, strict=True):
        assert not path[slice(*span)].any()
        path[slice(*span)] = symbol
    assert said_by(path.tolist()) == tuple(symbols)

    def cost(path: Sequence[int]) -> float:
        return float(sum(frame[symbol] for frame, symbol in zip(logprobs, path, strict=True)))

    assert cost(path.tolist()) == pytest.approx(max(map(cost, paths)), abs=1e-4)
