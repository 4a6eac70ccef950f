"""A small synthesiser learns one prompt by heart, and tells what it can't learn from."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from model.tasks.speech.pronunciations import Pronunciations
from model.tasks.speech.reading import read
from tests.training.conftest import open_trainer
from tests.voices import FRAMES, WORDS, small_synthesiser, tones, write_voices
from training.data.base import DataError
from training.tasks.speech.distance import cepstra, mel_cepstral_distance
from training.tasks.speech.score import spoken
from training.tasks.speech.synthesis import Learner, _batch
from training.tasks.speech.utterances import Utterance

DICTIONARY = Pronunciations(WORDS)


def made(text: str) -> Utterance:
    """A text in tones, whose times are known."""
    script = DICTIONARY.write_down(read(text, DICTIONARY))
    samples = (tones(text)[0] * 32767).astype(np.int16)
    return Utterance(0, script, (FRAMES,) * len(script.symbols), samples)


def test_one_prompt_is_learnt_by_heart() -> None:
    prompt = made("hello stop")
    model = small_synthesiser(prenet_dropout=0.2).train()
    learner = Learner(model)
    batch = _batch([prompt], torch.device("cpu"))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    torch.manual_seed(0)
    totals = []
    for _ in range(120):
        losses = learner(*batch)
        mel, linear = losses.mel / losses.frames, losses.linear / losses.frames
        loss = mel + linear + losses.timing / losses.timed
        totals.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert totals[-1] < totals[0] / 4
    said = cepstra(spoken(model.eval(), "hello stop", 0))
    assert abs(len(said) - prompt.frames) < 0.1 * prompt.frames
    right = mel_cepstral_distance(said, cepstra(prompt.waveform))
    wrong = mel_cepstral_distance(said, cepstra(made("world now").waveform))
    assert right < 0.7 * wrong


@pytest.mark.parametrize("alignment", ["durations", "attention"])
def test_losses_do_not_depend_on_padding(alignment: str) -> None:
    short, long = made("go"), made("hello world now")
    learner = Learner(small_synthesiser(prenet_dropout=0.0, alignment=alignment)).eval()
    with torch.no_grad():
        alone = [learner(*_batch([each], torch.device("cpu"))) for each in (short, long)]
        together = learner(*_batch([short, long], torch.device("cpu")))
    for name in ("mel", "linear", "timing", "frames", "timed"):
        expected = sum(float(getattr(losses, name)) for losses in alone)
        assert float(getattr(together, name)) == pytest.approx(expected, rel=1e-4)


def test_data_without_dev_are_refused(speech_recipe: Path, tmp_path: Path) -> None:
    folder = write_voices(tmp_path / "voices")
    shutil.rmtree(folder / "fsdd")
    texts = folder / "asterisk" / "core-sounds-en.txt"
    texts.write_text("".join(line for line in texts.read_text().splitlines(True) if line.startswith("digits/7:")))
    with pytest.raises(DataError, match="has no recordings for dev"):
        open_trainer(speech_recipe, [f"data.path={folder}"])
