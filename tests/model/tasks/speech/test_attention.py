"""The decoder with attention: weights, times, the end, and the diagonal."""

import itertools

import pytest
import torch

from model.audio.spectrogram import HOP
from model.tasks.speech.attention import AttentiveDecoder, guide, times_of
from model.tasks.speech.synthesiser import LONGEST_ATTENDED, SECONDS, Synthesiser
from tests.voices import small_synthesiser


@pytest.fixture(scope="module")
def model() -> Synthesiser:
    return small_synthesiser(alignment="attention", prenet_dropout=0.0)


def test_hearing_the_truth_and_itself_it_says_the_same_where_they_agree(model: Synthesiser) -> None:
    (script,) = model.scripts("stop now")
    said = model.attend(script, 0)
    symbols = torch.tensor([script.symbols])
    assert isinstance(model.decoder, AttentiveDecoder)
    with torch.no_grad():
        again = model.decoder(model.encoder(symbols, torch.tensor([0])), symbols > 0, said.mel)
    for own, other in zip(said, again, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(said.weights.sum(-1), torch.ones(said.weights.shape[:2]))


def test_padding_is_never_looked_at(model: Synthesiser) -> None:
    (script,) = model.scripts("go")
    symbols = torch.tensor([[*script.symbols, 0, 0, 0]])
    assert isinstance(model.decoder, AttentiveDecoder)
    with torch.no_grad():
        mask = symbols > 0
        said = model.decoder(model.encoder(symbols, torch.tensor([0])), mask, torch.zeros(1, 10, 20))
    assert (said.weights[..., -3:] == 0).all()
    assert (said.mel.shape, said.ends.shape) == ((1, 10, 20), (1, 5))


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0])
def test_texts_are_planned_and_spoken(model: Synthesiser, speed: float) -> None:
    pieces = model.plan(model.scripts("hello go on. now"), 0, speed)
    for piece, waveform in zip(pieces, model.speak(pieces), strict=True):
        assert len(piece.ends) == len(piece.script.symbols)
        assert all(begin < end for begin, end in itertools.pairwise((0, *piece.ends)))
        assert len(waveform) == piece.frames * HOP
        assert piece.frames <= len(piece.ends) * (LONGEST_ATTENDED / SECONDS / speed + 1) + 2


def test_end_stops_it(model: Synthesiser) -> None:
    (script,) = model.scripts("hello go on now")
    assert isinstance(model.decoder, AttentiveDecoder)
    before = model.decoder.end.bias.item()
    with torch.no_grad():
        lengths = []
        for bias in (-50.0, 50.0):
            model.decoder.end.bias.fill_(bias)
            lengths.append(model.attend(script, 0).mel.shape[1])
        model.decoder.end.bias.fill_(before)
    assert lengths[1] == 2
    assert lengths[0] == pytest.approx(len(script.symbols) * LONGEST_ATTENDED / SECONDS, abs=2)


def test_times_follow_the_attention() -> None:
    weights = torch.eye(4)[[0, 0, 1, 2, 1, 2, 3]]  # it looks back once
    assert times_of(weights, 2) == [4, 6, 12, 14]
    assert times_of(torch.eye(4)[[3]], 2) == [1, 2, 3, 4]


def test_diagonal_costs_nothing_and_padding_neither() -> None:
    cost = guide(torch.tensor([4, 2]), torch.tensor([8, 4]), torch.Size((2, 8, 4)))
    assert float(cost[0, 0, 0]) == float(cost[0, 4, 2]) == 0
    assert float(cost[0, 0, 3]) > 0.9
    assert (cost[1, 4:] == 0).all()
    assert (cost[1, :, 2:] == 0).all()


def test_durations_have_no_attention_to_show() -> None:
    model = small_synthesiser()
    with pytest.raises(ValueError, match=r"train one with model\.alignment=attention"):
        model.attend(model.scripts("go")[0], 0)
