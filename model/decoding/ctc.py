"""Connectionist temporal classification: log-probabilities of symbols at each frame to a sequence of symbols.

Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
networks" (2006). A path names a symbol or the blank at each frame; runs of the same symbol are one, and blanks are left
out. Symbol 0 is the blank.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
S = TypeVar("S")

BLANK = 0
NEVER = -math.inf


class Span(NamedTuple):
    """The frames in which a symbol is said, the first and the one after the last."""

    begin: int
    end: int


class Language(Protocol[S]):
    """A model of sequences of symbols, for `prefix_beam_search`."""

    def start(self) -> tuple[Sequence[float], S]:
        """Log-probabilities of the first symbol, where 0 stands for the end, and the state before it."""

    def read(self, states: Sequence[S], symbols: Sequence[int]) -> list[tuple[Sequence[float], S]]:
        """Log-probabilities of the next symbol after each of these, and the states then."""


@dataclass(frozen=True)
class Weights:
    """A score: log p(symbols | frames) + language * log p(symbols) + length * number of symbols."""

    language: float = 0.0
    length: float = 0.0


class Found(NamedTuple):
    """A sequence of symbols that a search found."""

    symbols: tuple[int, ...]
    score: float


def greedy(logprobs: Floats) -> tuple[int, ...]:
    """The symbols of the likeliest path through frames (T, V)."""
    path = logprobs.argmax(1)  # (T,)
    changes = np.r_[True, path[1:] != path[:-1]] if len(path) else np.zeros(0, np.bool_)
    return tuple(path[changes & (path != BLANK)].tolist())


def align(logprobs: Floats, symbols: Sequence[int]) -> list[Span]:
    """The frames of each symbol on the likeliest of the paths that say exactly these, through frames (T, V).

    Raises:
        ValueError: there are too few frames to say them.
    """
    states = np.full(2 * len(symbols) + 1, BLANK)  # (L,): blanks around and between the symbols
    states[1::2] = symbols
    skips = np.zeros(len(states), np.bool_)  # whether the blank before a symbol may be left out
    skips[3::2] = states[3::2] != states[1:-2:2]
    needed = len(symbols) + int((~skips[3::2]).sum())
    if needed > len(logprobs):
        raise ValueError(f"{len(logprobs)} frames are too few to say {len(symbols)} symbols")
    if not symbols:
        return []
    costs = np.full(len(states), NEVER)  # (L,)
    costs[:2] = logprobs[0, states[:2]]
    steps = np.zeros((len(logprobs), len(states)), np.int8)  # (T, L): states gone forward at each frame
    for time, frame in enumerate(logprobs[1:], 1):
        ways = np.stack([costs, np.r_[NEVER, costs[:-1]], np.where(skips, np.r_[NEVER, NEVER, costs[:-2]], NEVER)])
        steps[time] = ways.argmax(0)
        costs = ways.max(0) + frame[states]
    state = len(states) - 1 if costs[-1] >= costs[-2] else len(states) - 2
    spans = [Span(0, 0)] * len(symbols)
    for time in range(len(logprobs) - 1, -1, -1):
        if state % 2:
            spans[state // 2] = Span(time, spans[state // 2].end or time + 1)
        state -= int(steps[time, state])
    return spans


@dataclass
class _Prefix(Generic[S]):
    """A beginning of the sequence, and the paths that say it."""

    symbols: tuple[int, ...]
    language: float
    """Log-probability by the language model."""
    following: Sequence[float] | None = None
    """Log-probabilities of the symbol after it; None until they are needed."""
    state: S | None = None
    parent: "_Prefix[S] | None" = None
    blank: float = NEVER
    """Log-probability of the paths that end in the blank."""
    symbol: float = NEVER
    """Log-probability of those that end in the last symbol."""
    next_blank: float = NEVER
    """The same two after the frame that is being read."""
    next_symbol: float = NEVER

    @property
    def total(self) -> float:
        return _add(self.blank, self.symbol)

    def advance(self) -> None:
        self.blank, self.symbol = self.next_blank, self.next_symbol
        self.next_blank = self.next_symbol = NEVER


def prefix_beam_search(
    logprobs: Floats,
    beam_size: int,
    language: Language[S] | None = None,
    weights: Weights = Weights(),
    *,
    least: float = NEVER,
    most: int | None = None,
) -> list[Found]:
    """The sequences with the best scores, best first, among those that a beam of prefixes finds.

    Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs"
    (2014), algorithm 1, with a language model over the symbols themselves: paths that say the same prefix are one
    hypothesis, whose probability is their sum.

    Args:
        logprobs: of the symbols at each frame, (T, V).
        beam_size: prefixes kept after each frame.
        language: scores the symbols; None leaves them to the frames.
        weights: of the language model and of the length.
        least: log-probability below which a symbol is not heard at a frame.
        most: symbols that are heard at a frame, the likeliest; None for all. It bounds what unclear frames cost.
    """
    root: _Prefix[S] = _Prefix((), 0.0, blank=0.0)
    if language:
        root.following, root.state = language.start()
    beam = [root]
    for frame in logprobs:
        heard: list[float] = frame.tolist()
        audible = [symbol for symbol in range(1, len(heard)) if heard[symbol] > least]
        if most is not None and len(audible) > most:
            audible = sorted(audible, key=lambda symbol: -heard[symbol])[:most]
        grown = {prefix.symbols: prefix for prefix in beam}
        for prefix in beam:
            last, total = prefix.symbols[-1] if prefix.symbols else BLANK, prefix.total
            prefix.next_blank = _add(prefix.next_blank, total + heard[BLANK])
            if last != BLANK:
                prefix.next_symbol = _add(prefix.next_symbol, prefix.symbol + heard[last])
            for symbol in audible:
                came = prefix.blank if symbol == last else total  # said twice, only with a blank between
                if came == NEVER:
                    continue
                symbols = (*prefix.symbols, symbol)
                if symbols not in grown:
                    told = prefix.following[symbol] if prefix.following is not None else 0.0
                    grown[symbols] = _Prefix(symbols, prefix.language + told, parent=prefix)
                child = grown[symbols]
                child.next_symbol = _add(child.next_symbol, came + heard[symbol])
        for prefix in grown.values():
            prefix.advance()
        beam = sorted(grown.values(), key=lambda prefix: -_score(prefix, weights))[:beam_size]
        if language:
            _read(beam, language)
    return sorted(
        (Found(prefix.symbols, _score(prefix, weights, end=language is not None)) for prefix in beam),
        key=lambda found: -found.score,
    )


def _read(beam: Sequence[_Prefix[S]], language: Language[S]) -> None:
    """Has the language model read the last symbols of new prefixes, all at once."""
    fresh = [prefix for prefix in beam if prefix.following is None]
    if not fresh:
        return
    states = [prefix.parent.state for prefix in fresh if prefix.parent]
    read = language.read(states, [prefix.symbols[-1] for prefix in fresh])  # type: ignore[arg-type]
    for prefix, (following, state) in zip(fresh, read, strict=True):
        prefix.following, prefix.state, prefix.parent = following, state, None


def _score(prefix: _Prefix[S], weights: Weights, *, end: bool = False) -> float:
    told = prefix.language
    if end:
        assert prefix.following is not None
        told += prefix.following[BLANK]
    language = weights.language * told if weights.language else 0.0
    return prefix.total + language + weights.length * len(prefix.symbols)


def _add(first: float, second: float) -> float:
    """log(exp(first) + exp(second))."""
    if first < second:
        first, second = second, first
    return first if second == NEVER else first + math.log1p(math.exp(second - first))
