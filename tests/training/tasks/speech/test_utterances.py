"""Recordings cut, joined and respelled, with the times of their symbols."""

import numpy as np
import pytest

from model.audio import RATE
from model.audio.spectrogram import HOP
from model.tasks.speech.pronunciations import SYMBOLS, Pronunciations
from model.tasks.speech.reading import read
from tests.voices import WORDS
from training.tasks.speech.recipe import SynthesiserTraining
from training.tasks.speech.utterances import Utterance, Utterances, cut, joined, respelled

DICTIONARY = Pronunciations(WORDS)


def made(text: str, each: int = 8, voice: int = 0) -> Utterance:
    """An utterance whose samples tell their own place."""
    script = DICTIONARY.write_down(read(text, DICTIONARY))
    frames = each * len(script.symbols)
    samples = np.repeat(np.arange(frames), HOP).astype(np.int16)
    return Utterance(voice, script, (each,) * len(script.symbols), samples)


def written(utterance: Utterance) -> str:
    return "".join(SYMBOLS[symbol] for symbol in utterance.script.symbols)


def check(utterance: Utterance) -> None:
    assert len(utterance.durations) == len(utterance.script.symbols)
    assert min(utterance.durations) >= 1
    assert utterance.frames * HOP == len(utterance.samples)


def test_long_recordings_are_cut_where_sentences_end() -> None:
    whole = made("go on. Stop! hello, world. now.")
    assert [written(part) for part in cut(whole, 100.0)] == [written(whole)]
    seconds = whole.frames * HOP / RATE
    parts = cut(whole, 0.6 * seconds)
    assert [written(part) for part in parts] == [" GOW AAN.STAAP!", " HHAHLOW,WERLD.NAW."]
    for part in parts:
        check(part)
        for word in part.script.words:
            assert "".join(SYMBOLS[s] for s in part.script.symbols[word.begin : word.end]) == WORDS[word.text].replace(
                " ", ""
            )
    assert parts[0].samples.tolist() + parts[1].samples.tolist() == whole.samples.tolist()
    assert cut(made("hello world now on"), 0.1) == []


def test_digits_are_joined_with_pauses() -> None:
    draw = np.random.default_rng(0)
    whole = joined(draw, [made("one", voice=1), made("two", voice=1), made("zero", voice=1)])
    check(whole)
    assert written(whole) == " WAHN TUW ZIHROW "
    assert [word.text for word in whole.script.words] == ["one", "two", "zero"]
    assert [SYMBOLS[whole.script.symbols[word.begin]] for word in whole.script.words] == ["W", "T", "Z"]
    assert whole.durations[4] >= 16  # the breaks of both
    assert (whole.durations[0], whole.durations[-1]) == (8, 8)


def test_words_in_letters_take_as_long_as_in_phones() -> None:
    whole = made("hello go stop")
    for share in (0.0, 1.0):
        changed = respelled(np.random.default_rng(0), whole, share)
        check(changed)
        assert written(changed) == (" hello go stop " if share else written(whole))
    assert respelled(np.random.default_rng(0), made("hello", each=1), 1.0).durations == (1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("epoch", [0, 3])
def test_every_recording_is_in_an_epoch_once(epoch: int) -> None:
    all_ = [made("hello now"), made("go")] + [made("one", voice=1) for _ in range(10)]
    examples = Utterances(all_, SynthesiserTraining(digits=3))
    plans = examples.epoch(epoch)
    assert sorted(place for plan in plans for place in plan.places) == list(range(12))
    assert len(plans) == len(examples.epoch(7))
    assert plans == examples.epoch(epoch)
    assert max(len(plan.places) for plan in plans) > 1
    for number, plan in enumerate(plans):
        first, second = (examples.example(plan, epoch, number) for _ in range(2))
        check(first)
        assert first.samples.tolist() == second.samples.tolist()
