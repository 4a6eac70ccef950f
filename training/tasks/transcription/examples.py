"""The recordings of an epoch: sentences, digits joined to strings, words, and noise alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.audio import RATE, Samples
from training.tasks.transcription.augmentation import NOISES, Draw, augmented
from training.tasks.transcription.reader import Clip
from training.tasks.transcription.recipe import Augmentation, RecogniserTraining

PAUSE = 0.3
"""Seconds of the longest pause between two recordings that are joined."""
SINGLE = 0.3
"""Share of strings that are one digit alone."""


class Example(NamedTuple):
    """Recordings that are heard one after the other; none is noise alone."""

    clips: tuple[int, ...]
    text: str
    length: int
    """Samples, about."""


class Examples:
    """Examples of an epoch that depend on the seed and the epoch alone; there are equally many in each."""

    def __init__(self, clips: Sequence[Clip], training: RecogniserTraining, augmentation: Augmentation) -> None:
        self._clips, self._training, self._augmentation = clips, training, augmentation
        places = range(len(clips))
        self._sentences = [place for place in places if clips[place].set == "an4"]
        self._words = [place for place in places if clips[place].set == "speech_commands"]
        by_speaker: dict[str, list[int]] = {}
        for place in places:
            if clips[place].set == "fsdd":
                by_speaker.setdefault(clips[place].speaker, []).append(place)
        draw = np.random.default_rng(training.seed)
        self._strings = [(own, _sizes(draw, len(own), training.digits)) for own in by_speaker.values()]
        self._voices = [place for place in self._sentences or places if clips[place].text]

    def epoch(self, epoch: int) -> list[Example]:
        """The examples, in an order without meaning."""
        draw = np.random.default_rng((self._training.seed, epoch))
        drawn = draw.permutation(len(self._words))[: round(self._training.words * len(self._words))]
        examples = [self._example([place]) for place in self._sentences]
        examples += [self._example([self._words[number]]) for number in drawn]
        for own, sizes in self._strings:
            order = iter(draw.permutation(own).tolist())
            examples += [self._example([next(order) for _ in range(size)]) for size in sizes]
        silences = round(self._training.silences * len(examples))
        return examples + [Example((), "", int(draw.uniform(0.3, 4) * RATE)) for _ in range(silences)]

    def _example(self, places: Sequence[int]) -> Example:
        clips = [self._clips[place] for place in places]
        return Example(tuple(places), " ".join(clip.text for clip in clips), sum(map(len, clips)))

    def waveform(self, example: Example, epoch: int, number: int) -> Samples:
        """An example of an epoch as it is heard there."""
        draw = np.random.default_rng((self._training.seed, epoch, number))
        if not example.clips:
            noise = NOISES[draw.integers(len(NOISES))](draw, example.length)
            return (noise * np.float32(10 ** draw.uniform(-3, 0.5))).clip(-1, 1)
        voices = _Voices(self._clips, self._voices)
        whole = joined(draw, [self._clips[place].waveform for place in example.clips])
        return augmented(draw, whole, self._augmentation, voices)


class _Voices(Sequence[Samples]):
    """Waveforms of some clips, made when they are asked for."""

    def __init__(self, clips: Sequence[Clip], places: Sequence[int]) -> None:
        self._clips, self._places = clips, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        return self._clips[self._places[place]].waveform


def joined(draw: Draw, waveforms: Sequence[Samples]) -> Samples:
    """Waveforms with pauses before, between and after them, each as quiet as the quietest part of them."""
    parts = []
    for waveform in (*waveforms, None):
        parts.append(_pause(draw, waveforms[0]))
        if waveform is not None:
            parts.append(waveform)
    return np.concatenate(parts)


def _pause(draw: Draw, waveform: Samples) -> Samples:
    """Noise as loud as the quietest 20 ms of a waveform."""
    size = min(len(waveform), RATE // 50)
    parts = np.square(waveform[: len(waveform) // size * size], dtype=np.float64).reshape(-1, size).mean(1)
    return draw.normal(0, np.sqrt(parts.min()), int(draw.uniform(0, PAUSE) * RATE)).astype(np.float32)


def _sizes(draw: Draw, total: int, most: int) -> list[int]:
    """Sizes of 1 to `most` that add up to a number."""
    sizes: list[int] = []
    while total > 0:
        size = 1 if draw.uniform() < SINGLE else int(draw.integers(1, most + 1))
        sizes.append(min(size, total))
        total -= size
    return sizes
