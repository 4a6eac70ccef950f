"""Several captioners as one."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import CheckpointError, save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, DecoderConfig, DecodingConfig
from model.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from training.tasks.captioning.ensemble import Ensemble
from training.tasks.captioning.readers import CaptionedImage, open_dataset
from training.tasks.captioning.score import evaluate

BEAM = DecodingConfig(beam_size=3, max_length=8)


@pytest.fixture
def images(tiny_data: Path) -> tuple[CaptionedImage, ...]:
    return open_dataset(tiny_data).split("dev")


def test_the_same_member_twice_is_one(tiny_captioner: Captioner, images: tuple[CaptionedImage, ...]) -> None:
    two = Ensemble([tiny_captioner, tiny_captioner])
    (grids,) = two.read(images, 8)
    alone = [best[0] for best in tiny_captioner.generate(grids[0], BEAM)]
    assert [caption.text for caption in two.captions(grids, BEAM)] == [caption.text for caption in alone]
    assert Ensemble([tiny_captioner]).captions(grids, BEAM) == alone


def test_probabilities_are_the_mean_of_the_members(
    tiny_captioner: Captioner, other_captioner: Captioner, images: tuple[CaptionedImage, ...]
) -> None:
    ensemble = Ensemble([tiny_captioner, other_captioner])
    (grids,) = ensemble.read(images[:3], 8)
    assert [grid.shape[1] for grid in grids] == [4, 9]
    tokens = torch.tensor([[BOS, 5, 6], [BOS, 7, PAD]])
    found = ensemble.probabilities(grids, tokens, torch.tensor([2, 0]), 2.0)
    with torch.inference_mode():
        for row, (picture, length) in enumerate([(2, 3), (0, 2)]):
            one, two = (
                (member.decoder(grid[picture, None], tokens[row, None, :length])[0][0] / 2.0).softmax(1)
                for member, grid in zip(ensemble.members, grids, strict=True)
            )
            torch.testing.assert_close(found[row, :length], (one + two) / 2)


def test_a_greedy_caption_takes_the_likeliest_words_of_the_mean(
    tiny_captioner: Captioner, other_captioner: Captioner, images: tuple[CaptionedImage, ...]
) -> None:
    ensemble = Ensemble([tiny_captioner, other_captioner])
    (grids,) = ensemble.read(images, 8)
    for picture, caption in enumerate(ensemble.captions(grids, DecodingConfig(method="greedy", max_length=6))):
        said = [BOS]
        while len(said) <= 6 and said[-1] != EOS:
            mean = ensemble.probabilities(grids, torch.tensor([said]), torch.tensor([picture]), 1.0)[0, -1]
            said.append(int(mean.index_fill(0, torch.tensor([PAD, BOS, UNK]), 0).argmax()))
        words = tiny_captioner.vocabulary.decode([word for word in said[1:] if word != EOS])
        assert caption.text.replace(" .", "") == " ".join(words).replace(" .", "")


@pytest.mark.usefixtures("no_java")
def test_evaluated_together(tiny_checkpoint: Path, other_captioner: Captioner, tiny_data: Path) -> None:
    path = save(tiny_checkpoint.parent / "other", CAPTIONING, other_captioner, name="other", metrics={}, card="").path
    scores = evaluate([tiny_checkpoint, path], tiny_data, "dev").report
    assert (scores["images"], scores["beam_size"]) == (8, 3)


def test_members_have_the_same_words(tiny_checkpoint: Path) -> None:
    stranger = Captioner(
        CaptionerConfig(decoder=DecoderConfig(embedding_size=2, hidden_size=2)), Vocabulary.build([["a", "dog"]], 1)
    )
    path = save(tiny_checkpoint.parent / "stranger", CAPTIONING, stranger, name="stranger", metrics={}, card="").path
    with pytest.raises(CheckpointError, match=r"stranger: has other words than .*tiny"):
        Ensemble.open([tiny_checkpoint, path])
