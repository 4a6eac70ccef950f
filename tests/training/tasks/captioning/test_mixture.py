"""The decoder that reads tags: its words, the weights that it begins with, and that it learns."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.vocabulary import tokenize
from tests.training.conftest import Finished, recap_train, train
from training.tasks.captioning.mixture import Mixture
from training.tasks.captioning.recipe import MixtureRecipe
from training.tasks.captioning.warm_start import open_captioner
from training.trainer import Trainer


def test_decoder_learns_and_what_it_reads_stays(mixture_recipe: Path, tagged_checkpoint: Path) -> None:
    trainer = Trainer(MixtureRecipe.read(mixture_recipe, ["training.epochs=20"]), Mixture)
    losses = train(trainer, 50)
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    start, after = open_captioner(tagged_checkpoint).state_dict(), trainer.model.state_dict()
    kept = [name for name in start if name.startswith(("encoder.", "tagger."))]
    assert kept
    assert all(torch.equal(after[name], start[name]) for name in kept)


def test_words_are_those_of_the_start_and_of_all_sentences_and_tags(mixture_recipe: Path) -> None:
    objective = Trainer(MixtureRecipe.read(mixture_recipe), Mixture).objective
    assert isinstance(objective, Mixture)
    words = objective.model.vocabulary
    assert set(open_captioner(objective.recipe.start).vocabulary.words) <= set(words.words)
    assert {"zebra", "very", "black"} <= set(words.words)  # of pictures of `more`, of the data, of sentences
    assert "teapot" not in words  # a tag without a vector, that nothing mentions


def test_it_begins_with_what_the_start_knows(mixture_recipe: Path) -> None:
    """The logits are the start's, if the embedding has room for all directions of the output layer."""
    recipe = MixtureRecipe.read(mixture_recipe, ["decoder.embedding_size=64", "decoder.dropout=0"])
    objective = Trainer(recipe, Mixture).objective
    assert isinstance(objective, Mixture)
    ours, start = objective.model.eval(), open_captioner(recipe.start)
    reader = ours.decoder
    hidden = start.config.decoder.hidden_size
    with torch.no_grad():
        reader.language_cell.weight_ih[:, hidden:-hidden] = 0  # what is new: the tags that it attends to
    grid = torch.rand(2, 4, 1280)
    sentence = start.vocabulary.words[4:9]
    here, there = (torch.tensor([words.encode(sentence)] * 2) for words in (ours.vocabulary, start.vocabulary))
    with torch.no_grad():
        memory = ours.encode_source(grid)
        memory = memory._replace(words=torch.zeros_like(memory.words))  # nothing to copy
        logits, _ = reader.teacher_forcing(memory, here)
        expected, _ = start.decoder(grid, there)
    known = ours.vocabulary.encode(start.vocabulary.words)
    torch.testing.assert_close(logits[:, :, known], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("no_java")
def test_checkpoint_reads_tags_and_can_be_reinforced(
    mixture_recipe: Path, selfcritical_recipe: Path, finished: Finished
) -> None:
    recipe = finished(mixture_recipe)
    assert isinstance(recipe, MixtureRecipe)
    captioner = Checkpoint.open(recipe.output).expect(CAPTIONING).load()
    assert captioner.decoder.reads_tags
    assert len(tokenize(captioner.generate(torch.rand(1, 4, 1280), captioner.config.decoding)[0][0].text)) > 0
    with pytest.raises(SystemExit, match="0"):
        recap_train(
            *("train", "--config", str(selfcritical_recipe), "--set", f"start={recipe.output}"),
            *("--set", f'more=["{recipe.more[0]}"]', "--set", "training.epochs=1"),
        )


def test_start_without_a_tagger_is_refused(mixture_recipe: Path, tiny_checkpoint: Path) -> None:
    with pytest.raises(SystemExit, match="1"):
        recap_train("train", "--config", str(mixture_recipe), "--set", f"start={tiny_checkpoint}")
