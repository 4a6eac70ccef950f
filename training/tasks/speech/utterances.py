"""Recordings with the time of each symbol, cut and joined to what an epoch learns from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.audio import RATE, Samples
from model.audio.spectrogram import HOP
from model.tasks.speech.pronunciations import BREAK, NUMBERS, Script, Spot
from model.tasks.speech.reading import PAUSES
from training.tasks.speech.reader import Clip
from training.tasks.speech.recipe import SynthesiserTraining

PAUSE = 0.2
"""Seconds of the longest pause between two digits that are joined."""
SINGLE = 0.4
"""Share of strings that are one digit alone."""
_STOPS = {NUMBERS[pause] for pause in PAUSES if pause != ","}
Draw = np.random.Generator


@dataclass(frozen=True)
class Utterance:
    """A recording, or a part of one, whose symbols have times."""

    voice: int
    script: Script
    durations: tuple[int, ...]
    """Frames of each symbol."""
    samples: NDArray[np.int16]
    """The samples of its frames."""

    @property
    def frames(self) -> int:
        return sum(self.durations)

    @property
    def waveform(self) -> Samples:
        return self.samples.astype(np.float32) / np.float32(32768)


def utterance(clip: Clip, voice: int, script: Script, durations: Sequence[int]) -> Utterance:
    """A whole recording; samples after its last whole frame are left out."""
    return Utterance(voice, script, tuple(durations), clip.samples[: sum(durations) * HOP])


def cut(whole: Utterance, longest: float) -> list[Utterance]:
    """The parts of a recording of more than so many seconds, which end where a sentence does; none is longer."""
    if len(whole.samples) <= longest * RATE:
        return [whole]
    stops = [place for place, symbol in enumerate(whole.script.symbols) if symbol in _STOPS]
    ends = [stop + 1 for stop in stops if stop + 1 < len(whole.script.symbols)] + [len(whole.script.symbols)]
    parts, begin = [], 0
    for place, end in enumerate(ends):
        following = ends[place + 1] if place + 1 < len(ends) else None
        if following and sum(whole.durations[begin:following]) * HOP <= longest * RATE:
            continue  # the next sentence fits in, too
        parts.append(_part(whole, begin, end))
        begin = end
    return [part for part in parts if part.script.words and len(part.samples) <= longest * RATE]


def _part(whole: Utterance, begin: int, end: int) -> Utterance:
    """Some symbols of an utterance, which begin with a break of a frame that is taken from the first of them."""
    lead = 0 if begin == 0 else 1
    first = sum(whole.durations[:begin])
    durations = whole.durations[begin:end]
    symbols = whole.script.symbols[begin:end]
    if lead:
        symbols = (NUMBERS[BREAK], *symbols)
        borrowed = 1 if durations[0] > 1 else 0
        first += 0 if borrowed else -1
        durations = (1, durations[0] - borrowed, *durations[1:])
    words = tuple(
        Spot(word.text, word.begin - begin + lead, word.end - begin + lead, word.known)
        for word in whole.script.words
        if begin <= word.begin and word.end <= end
    )
    samples = whole.samples[first * HOP : (first + sum(durations)) * HOP]
    return Utterance(whole.voice, Script(symbols, words), tuple(durations), samples)


def joined(draw: Draw, parts: Sequence[Utterance]) -> Utterance:
    """Utterances of one voice, one after the other, with a pause between two of them."""
    symbols: list[int] = []
    words: list[Spot] = []
    durations: list[int] = []
    samples: list[NDArray[np.int16]] = []
    for place, part in enumerate(parts):
        lead = 0
        if place:
            gap = int(draw.uniform(0, PAUSE) * RATE / HOP)
            noise = draw.normal(0, _quietest(part.samples), gap * HOP)
            samples.append(noise.astype(np.int16))
            durations[-1] += gap + part.durations[0]  # the break before the part is that after the one before it
            lead = 1
        words += [
            Spot(word.text, word.begin + len(symbols) - lead, word.end + len(symbols) - lead, word.known)
            for word in part.script.words
        ]
        symbols += part.script.symbols[lead:]
        durations += part.durations[lead:]
        samples.append(part.samples)
    script = Script(tuple(symbols), tuple(words))
    return Utterance(parts[0].voice, script, tuple(durations), np.concatenate(samples))


def _quietest(samples: NDArray[np.int16]) -> float:
    """Root of the mean square of the quietest frame."""
    frames = np.square(samples[: len(samples) // HOP * HOP].astype(np.float64)).reshape(-1, HOP).mean(1)
    return float(np.sqrt(frames.min()))


def respelled(draw: Draw, whole: Utterance, share: float) -> Utterance:
    """An utterance with some of its words in letters, among which the time of the word is shared evenly."""
    chosen = [word for word in whole.script.words if len(word.text) > 1 and draw.uniform() < share]
    symbols, durations = list(whole.script.symbols), list(whole.durations)
    for word in reversed(chosen):
        frames = sum(durations[word.begin : word.end])
        if frames < len(word.text):
            continue
        ends = [round(frames * place / len(word.text)) for place in range(len(word.text) + 1)]
        symbols[word.begin : word.end] = [NUMBERS[letter] for letter in word.text]
        durations[word.begin : word.end] = np.diff(ends).tolist()
    return replace(whole, script=Script(tuple(symbols), ()), durations=tuple(durations))


class _Plan(NamedTuple):
    """Places of the utterances of an example, and its frames, about."""

    places: tuple[int, ...]
    frames: int


class Utterances:
    """The examples of an epoch, which depend on the seed and the epoch alone; there are equally many in each."""

    def __init__(self, utterances: Sequence[Utterance], training: SynthesiserTraining) -> None:
        self._all, self._training = utterances, training
        digits: dict[int, list[int]] = {}
        for place, each in enumerate(utterances):
            if is_digit(each):
                digits.setdefault(each.voice, []).append(place)
        self._sentences = [place for place, each in enumerate(utterances) if not is_digit(each)]
        draw = np.random.default_rng(training.seed)
        self._strings = [(own, _sizes(draw, len(own), training.digits)) for own in digits.values()]

    def epoch(self, epoch: int) -> list[_Plan]:
        """The examples, in an order without meaning."""
        draw = np.random.default_rng((self._training.seed, epoch))
        plans = [self._plan([place]) for place in self._sentences]
        for own, sizes in self._strings:
            order = iter(draw.permutation(own).tolist())
            plans += [self._plan([next(order) for _ in range(size)]) for size in sizes]
        return plans

    def _plan(self, places: Sequence[int]) -> _Plan:
        return _Plan(tuple(places), sum(self._all[place].frames for place in places))

    def example(self, plan: _Plan, epoch: int, number: int) -> Utterance:
        """An example of an epoch, as it is learnt from there."""
        draw = np.random.default_rng((self._training.seed, epoch, number))
        whole = joined(draw, [self._all[place] for place in plan.places])
        return respelled(draw, whole, self._training.letters)


def is_digit(utterance: Utterance) -> bool:
    """Tells whether it is one of many recordings of a digit, of a voice other than the first."""
    return utterance.voice > 0 and len(utterance.script.words) == 1


def _sizes(draw: Draw, total: int, most: int) -> list[int]:
    """Sizes of 1 to `most` that add up to a number."""
    sizes: list[int] = []
    while total > 0:
        size = 1 if draw.uniform() < SINGLE else int(draw.integers(1, most + 1))
        sizes.append(min(size, total))
        total -= size
    return sizes
