"""A recogniser: what it hears does not depend on its neighbours, and words have their times."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model.audio import RATE, Samples
from model.cells import CELLS
from model.checkpoint import Checkpoint, save
from model.decoding.ctc import Floats
from model.tasks.text.config import LanguageModelConfig
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.transcription.config import Calibration, DecodingConfig
from model.tasks.transcription.pieces import LONGEST, cuts
from model.tasks.transcription.recogniser import SECONDS, Letters, Recogniser, confidence

Build = Callable[..., Recogniser]


def noise(samples: int, seed: int = 0) -> Samples:
    return (0.1 * np.random.default_rng(seed).normal(size=samples)).astype(np.float32)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_batch_and_padding_change_nothing(build: Build, *, bidirectional: bool) -> None:
    model = build(bidirectional=bidirectional)
    waveforms = [noise(samples, samples) for samples in (1, 900, 16_000, 7_777)]
    together = model.hear(waveforms)
    for waveform, found in zip(waveforms, together, strict=True):
        (alone,) = model.hear([waveform])
        assert len(alone) >= 1
        np.testing.assert_allclose(found, alone, atol=1e-4)
        np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-4)


def test_causal_network_hears_nothing_that_comes_later(build: Build) -> None:
    model = build(bidirectional=False)
    first, second = noise(16_000), noise(16_000)
    second[8_000:] = noise(8_000, 7)
    (one,), (other,) = model.hear([first]), model.hear([second])
    np.testing.assert_allclose(one[:25], other[:25], atol=1e-4)
    assert np.abs(one[25:] - other[25:]).max() > 1e-2
    both = build(bidirectional=True)
    assert np.abs(both.hear([first])[0][:25] - both.hear([second])[0][:25]).max() > 1e-3


@pytest.mark.parametrize("bidirectional", [True, False])
def test_colour_of_a_recording_is_taken_out(build: Build, *, bidirectional: bool) -> None:
    """A constant added to each band's logarithm, as a microphone does, is soon gone."""
    acoustic = build(bidirectional=bidirectional).acoustic
    spectra = torch.randn(1, 4000, 12, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([4000])
    found = acoustic.normalized(spectra + torch.arange(12.0), lengths)
    plain = acoustic.normalized(spectra, lengths)
    torch.testing.assert_close(found[:, -100:], plain[:, -100:], atol=1e-4 if bidirectional else 0.5, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_hears(build: Build, cell: str) -> None:
    (found,) = build(cell=cell).hear([noise(1600)])
    assert found.shape == (5, 6)
    assert np.isfinite(found).all()


def test_no_such_cell_is_told(build: Build) -> None:
    with pytest.raises(ValueError, match="no cell 'lstn'"):
        build(cell="lstn")


def test_language_model_of_words_is_told(build: Build) -> None:
    with pytest.raises(ValueError, match=r"language\.unit: 'word'"):
        build(language=LanguageModelConfig(unit="word", hidden_size=4))


def path(model: Recogniser, text: str) -> Floats:
    """Frames that are sure of a path, whose blank is `_`."""
    logits = np.full((len(text), 1 + len(model.alphabet)), -6.0)
    for time, letter in enumerate(text):
        logits[time, 0 if letter == "_" else model.alphabet.encode(letter)[0]] = 0.0
    logprobs: Floats = (logits - np.logaddexp.reduce(logits, 1)[:, None]).astype(np.float32)
    return logprobs


@pytest.mark.parametrize("beam_size", [1, 8])
def test_words_have_their_times(build: Build, beam_size: int) -> None:
    model = build()
    frames = path(model, "__aab__  __c__a_a__")
    decoding = DecodingConfig(beam_size=beam_size, language_weight=0.01, length_bonus=0)
    symbols = model.search(frames, decoding)
    assert model.alphabet.decode(symbols) == "ab caa"
    first, second = model.words(frames, symbols, 10.0)
    assert (first.text, second.text) == ("ab", "caa")
    assert first.begin == pytest.approx(10 + 2 * SECONDS)
    assert first.end == pytest.approx(10 + 5 * SECONDS)
    assert second.begin == pytest.approx(10 + 11 * SECONDS)
    assert second.end == pytest.approx(10 + 17 * SECONDS)


@pytest.mark.parametrize("text", ["____", " _ _", ""])
def test_nothing_said_is_an_empty_text(build: Build, text: str) -> None:
    model = build()
    frames = path(model, text)
    assert model.words(frames, model.search(frames, DecodingConfig(beam_size=1))) == ()


def test_confidence_is_calibrated(build: Build) -> None:
    model = build(calibration=Calibration(slope=2, offset=3))
    frames = path(model, "_a_b_")
    (word,) = model.words(frames, model.search(frames, DecodingConfig(beam_size=1)))
    assert word.score == pytest.approx(float(frames.max()), abs=1e-5)
    assert word.confidence == pytest.approx(1 / (1 + np.exp(-(2 * word.score + 3))))
    assert confidence(-1.0, Calibration()) < confidence(-0.5, Calibration()) < 0.5


def test_language_model_decides_between_what_sounds_alike(build: Build) -> None:
    """One that has been told that b follows a, and c never does."""
    model = build()
    frames = path(model, "_a_?_".replace("?", "b"))
    b, c = model.alphabet.encode("bc")
    frames[3, [b, c]] = np.log([0.45, 0.55])
    greedy = model.search(frames, DecodingConfig(beam_size=1))
    assert model.alphabet.decode(greedy) == "ac"
    with torch.no_grad():
        for parameter in model.language.parameters():
            parameter.zero_()
        model.language.output.bias[model.language.encode("c")] = -2.0
    found = model.search(frames, DecodingConfig(beam_size=8, language_weight=1.0, length_bonus=0))
    assert model.alphabet.decode(found) == "ab"


def test_letters_are_read_as_the_language_model_does(build: Build) -> None:
    model = build()
    language = Letters(model.language)
    following, state = language.start()
    ((again, _),) = language.read([state], model.alphabet.encode("b"))
    logits, _ = model.language(torch.tensor([model.language.encode("\nb")]))
    expected = logits[0, :, 4:].log_softmax(-1)
    torch.testing.assert_close(torch.tensor([following, again]), expected)
    assert len(following) == 1 + len(model.alphabet)


def test_long_recording_is_cut_where_it_is_quiet() -> None:
    waveform = noise(40 * RATE)
    pauses = [9.0, 17.5, 26.0, 35.0]
    for pause in pauses:
        waveform[int((pause - 0.2) * RATE) : int((pause + 0.2) * RATE)] *= 0.01
    found = cuts(waveform)
    assert [begin for begin, _ in found[1:]] == [end for _, end in found[:-1]]
    assert (found[0][0], found[-1][1]) == (0, len(waveform))
    assert all(0 < end - begin <= LONGEST for begin, end in found)
    assert [end / RATE for _, end in found[:-1]] == pytest.approx(pauses, abs=0.3)


@pytest.mark.parametrize("samples", [1, LONGEST])
def test_short_recording_is_one_piece(samples: int) -> None:
    assert cuts(np.zeros(samples, np.float32)) == [(0, samples)]


def test_transcripts_are_whole(build: Build) -> None:
    model = build()
    waveforms = [noise(30 * RATE), noise(200)]
    long, short = model.transcribe(waveforms, DecodingConfig(beam_size=1))
    assert (long.seconds, short.seconds) == (30, 200 / RATE)
    assert len(long.segments) >= 3
    assert long.text == " ".join(segment.text for segment in long.segments if segment.text)
    assert [word.begin for word in long.words] == sorted(word.begin for word in long.words)
    assert all(0 <= word.begin < word.end <= 30.1 for word in long.words)
    assert long.words
    assert 0 < long.confidence < 1


def test_checkpoint_comes_back(build: Build, tmp_path: Path) -> None:
    model = build()
    saved = save(tmp_path / "small", TRANSCRIPTION, model, name="small", metrics={}, card="")
    loaded = Checkpoint.open(saved.path).expect(TRANSCRIPTION).load()
    assert (loaded.config, loaded.alphabet) == (model.config, model.alphabet)
    halved = model.half().float()
    (found,), (expected,) = loaded.hear([noise(4000)]), halved.hear([noise(4000)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
