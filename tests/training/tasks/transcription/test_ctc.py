"""The objective: it learns, on what the recipe says, and hides what it should."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import ctc_loss

from tests.training.conftest import open_trainer, train
from training.data.base import DataError
from training.tasks.transcription.ctc import ALPHABET, TemporalClassification, hidden
from training.tasks.transcription.recipe import Augmentation
from training.tasks.transcription.score import language_nats, score_recordings


def objective(path: Path, *options: str) -> TemporalClassification:
    found = open_trainer(path, options).objective
    assert isinstance(found, TemporalClassification)
    return found


@pytest.mark.slow
def test_tones_are_learnt(transcription_recipe: Path) -> None:
    plain = [f"augmentation.{change}=0" for change in Augmentation.model_fields if change != "loudest"]
    options = ["training.epochs=60", "training.batch_size=8", "model.dropout=0", *plain]
    trainer = open_trainer(transcription_recipe, options)
    assert isinstance(trainer.objective, TemporalClassification)
    before = language_nats(trainer.model, ["go on"])
    losses = train(trainer, 300)
    assert np.mean(losses[-10:]) < 0.1 * np.mean(losses[:10])
    score = score_recordings(trainer.model.eval(), trainer.objective.dev["fsdd"], beam_size=1)
    assert score.word_error_rate < 0.5
    assert language_nats(trainer.model, ["go on"]) < 0.7 * before


def test_loss_is_that_of_a_letter(transcription_recipe: Path) -> None:
    """The first update's loss, from its parts."""
    found = objective(transcription_recipe, "model.dropout=0", "augmentation.bands=0", "augmentation.frames=0")
    examples = found.examples.epoch(0)
    batch = found._buckets(examples).batches(0)[0]
    told = next(found.updates(0, 0, found.network, lambda loss: None))
    waveforms = [found.examples.waveform(examples[number], 0, number) for number in batch]
    texts = [examples[number].text for number in batch]
    total = 0.0
    for waveform, text in zip(waveforms, texts, strict=True):
        (logprobs,) = found.model.hear([waveform])
        target = torch.tensor([ALPHABET.encode(text)])
        lengths = torch.tensor([len(logprobs)]), torch.tensor([len(text)])
        total += float(ctc_loss(torch.from_numpy(logprobs)[:, None], target, *lengths, 0, "sum", zero_infinity=True))
    assert told["nats"] == pytest.approx(total / sum(len(text) + 1 for text in texts), rel=1e-3)


def test_learner_left_out_is_not_heard(transcription_recipe: Path) -> None:
    found = objective(transcription_recipe, "data.without=['bob']")
    assert "bob" not in {clip.speaker for clips in found.dev.values() for clip in clips}
    with pytest.raises(DataError, match="'eve' is no speaker"):
        objective(transcription_recipe, "data.without=['eve']", f"run={transcription_recipe.parent}/other")


def test_bands_and_frames_are_hidden_within_their_limits() -> None:
    torch.manual_seed(1)
    spectra = torch.ones(6, 300, 20)
    lengths = torch.tensor([300, 300, 300, 300, 150, 8])
    found = hidden(spectra, lengths, Augmentation(bands=3, frames=10))
    assert torch.equal(spectra, torch.ones(6, 300, 20))
    frames = (found == 0).all(2).sum(1)
    bands = (found == 0).all(1).sum(1)
    assert (frames <= torch.tensor([30, 30, 30, 30, 10, 2])).all()
    assert (bands <= 6).all()
    assert frames.sum() > 0
    assert bands.sum() > 0
    assert torch.equal(hidden(spectra, lengths, Augmentation(bands=0, frames=0)), spectra)
