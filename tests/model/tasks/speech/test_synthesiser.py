"""Plans, spectra and waveforms of a small synthesiser with random weights."""

import itertools

import numpy as np
import pytest
import torch

from model.audio import RATE
from model.audio.spectrogram import HOP
from model.tasks.speech.network import Decoder, regulate
from model.tasks.speech.synthesiser import LONGEST_SYMBOL, SECONDS, Synthesiser, words_of
from tests.voices import small_synthesiser

TEXT = "Hello on now. Go zorp, stop!"


@pytest.fixture(scope="module")
def model() -> Synthesiser:
    return small_synthesiser()


def test_plans_have_a_time_for_each_symbol(model: Synthesiser) -> None:
    plans = model.plan(model.scripts(TEXT), 0)
    assert len(plans) == 2
    for plan in plans:
        assert len(plan.ends) == len(plan.script.symbols)
        assert all(begin < end for begin, end in itertools.pairwise((0, *plan.ends)))
        words = words_of(plan, 1.0)
        assert [word.text for word in words] == [spot.text for spot in plan.script.words]
        assert all(first.end <= second.begin for first, second in itertools.pairwise(words))
        assert words[0].begin == pytest.approx(1 + plan.ends[0] * SECONDS)


def test_speed_divides_the_time(model: Synthesiser) -> None:
    (slow,), (usual,), (fast,) = (model.plan(model.scripts("hello go on"), 0, speed) for speed in (0.5, 1, 2))
    assert slow.frames == pytest.approx(2 * usual.frames, abs=1)
    assert fast.frames == pytest.approx(usual.frames / 2, abs=1)
    (hasty,) = model.plan(model.scripts("hello go on"), 0, 1000)
    assert hasty.frames == len(hasty.script.symbols)


def test_symbols_are_never_too_long() -> None:
    model = small_synthesiser()
    assert model.durations
    with torch.no_grad():
        model.durations.output.bias.fill_(50)
    (plan,) = model.plan(model.scripts("go on"), 0)
    assert plan.frames == pytest.approx(len(plan.ends) * LONGEST_SYMBOL / SECONDS, abs=1)


def test_waveforms_are_as_long_as_planned_and_heard(model: Synthesiser) -> None:
    plans = model.plan(model.scripts(TEXT), 1)
    for plan, waveform in zip(plans, model.speak(plans), strict=True):
        assert waveform.dtype == np.float32
        assert len(waveform) == plan.samples == plan.frames * HOP
        assert 0.01 < np.abs(waveform).max() <= 1


def test_pieces_do_not_depend_on_what_is_said_beside_them(model: Synthesiser) -> None:
    plans = [plan for text in ("go", TEXT, "on now") for plan in model.plan(model.scripts(text), 0)]
    together = model.spectra(plans)
    for plan, (mel, linear) in zip(plans, together, strict=True):
        ((alone, alone_linear),) = model.spectra([plan])
        torch.testing.assert_close(mel, alone, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(linear, alone_linear, rtol=1e-4, atol=1e-4)


def test_voices_and_seeds_differ_and_repeat(model: Synthesiser) -> None:
    def spectrum(voice: int, seed: int) -> torch.Tensor:
        (plan,) = model.plan(model.scripts("hello"), 0)
        ((mel, _),) = model.spectra([type(plan)(plan.script, voice, plan.ends)], seed)
        return mel

    assert torch.equal(spectrum(0, 3), spectrum(0, 3))
    assert not torch.allclose(spectrum(0, 3), spectrum(0, 4))
    assert not torch.allclose(spectrum(0, 3), spectrum(1, 3))


def test_decoder_hearing_the_truth_and_itself_says_the_same_where_they_agree() -> None:
    model = small_synthesiser(prenet_dropout=0.0)
    (plan,) = model.plan(model.scripts("stop now"), 0)
    ((mel, _),) = model.spectra([plan])
    symbols = torch.tensor([plan.script.symbols])
    durations = torch.tensor([plan.ends]).diff(dim=1, prepend=torch.zeros(1, 1, dtype=torch.long))
    assert isinstance(model.decoder, Decoder)
    with torch.no_grad():
        encodings = model.encoder(symbols, torch.tensor([0]))
        contexts = model.decoder.contexts(encodings, durations, plan.frames)
        said = model.decoder(contexts, mel[None])
    torch.testing.assert_close(said[0], mel, rtol=1e-4, atol=1e-4)


def test_encodings_are_repeated_for_their_durations() -> None:
    encodings = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [0.0]]])
    durations = torch.tensor([[2, 1, 3], [1, 2, 0]])
    found = regulate(encodings, durations, 6)
    assert found[0, :, 0].tolist() == [1, 1, 2, 3, 3, 3]
    assert found[1, :, 0].tolist() == [4, 5, 5, 5, 5, 5]
    assert (10 * found[0, :, 1]).round().tolist() == [0, 1, 0, 0, 1, 2]
    assert (10 * found[0, :, 2]).round().tolist() == [2, 1, 1, 3, 2, 1]


@pytest.mark.parametrize("cell", ["gru", "rnn", "lstm-peephole"])
def test_other_cells_speak(cell: str) -> None:
    model = small_synthesiser(cell=cell)
    (plan,) = model.plan(model.scripts("go"), 0)
    (waveform,) = model.speak([plan])
    assert np.isfinite(waveform).all()


def test_unknown_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        small_synthesiser(cell="nonsense")


def test_text_without_end_is_said_in_bounded_pieces(model: Synthesiser) -> None:
    plans = model.plan(model.scripts("go " * 1000), 0)
    assert max(plan.frames for plan in plans) * SECONDS < 100
    assert sum(plan.samples for plan in plans) > RATE
