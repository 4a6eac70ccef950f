"""Learning from pairs: the loss is the mixture's, pairs are learnt, and what can't be learnt from is refused."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from model.checkpoint import Checkpoint
from model.tasks.translation import TRANSLATION
from model.tasks.translation.network import Written, mixed
from model.vocabulary import BOS, EOS, PAD
from tests.training.conftest import Finished, open_trainer, train
from training.data.base import DataError
from training.recipe import RecipeError
from training.tasks.translation.losses import translation_loss
from training.tasks.translation.parallel_text import ParallelText
from training.tasks.translation.recipe import ParallelTextRecipe
from training.tasks.translation.score import evaluate, score


def test_loss_is_that_of_the_mixture() -> None:
    torch.manual_seed(0)
    sources, targets = torch.tensor([[5, 6, 5, EOS]]), torch.tensor([[5, 7, EOS, PAD]])
    written = Written(torch.randn(1, 4, 9), torch.randn(1, 4, 1), torch.rand(1, 4, 4).softmax(2))
    logprobs = mixed(Written(*(part[0] for part in written)), sources.expand(4, -1))  # (T, V)
    expected = F.nll_loss(logprobs, targets[0], ignore_index=PAD, reduction="sum")
    torch.testing.assert_close(translation_loss(written, sources, targets, 0.0), expected)
    uniform = -written.logits[0, :3].log_softmax(1).mean(1).sum()
    torch.testing.assert_close(translation_loss(written, sources, targets, 0.1), 0.9 * expected + 0.1 * uniform)


def test_gradient_of_the_loss_is_autograds() -> None:
    torch.manual_seed(0)
    sources, targets = torch.randint(4, 9, (10, 5)), torch.randint(3, 9, (10, 8))
    targets[::2, -1] = PAD
    given = [torch.randn(10, 8, 9), torch.randn(10, 8, 1), torch.rand(10, 8, 5).softmax(2)]
    gradients = []
    for slices in (True, False):
        logits, copying, attention = parts = [part.clone().requires_grad_() for part in given]
        if slices:
            total = translation_loss(Written(*parts), sources, targets, 0.1)
        else:
            written = Written(*(part.flatten(0, 1) for part in (logits, copying, attention)))
            nats = -mixed(written, sources.repeat_interleave(8, 0)).gather(1, targets.view(-1, 1))  # (B T, 1)
            uniform = -written.logits.log_softmax(1).mean(1, keepdim=True)
            total = (0.9 * nats + 0.1 * uniform)[targets.view(-1) != PAD].sum()
        total.backward()
        gradients.append([part.grad for part in parts])
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


def objective_of(path: Path, *options: str) -> ParallelText:
    """The objective of a recipe, without chance in its pairs unless the options ask for it."""
    objective = open_trainer(path, ["subwords.dropout=0", "training.invented=0", *options]).objective
    assert isinstance(objective, ParallelText)
    return objective


def test_pairs_are_collated_with_their_ends(translation_recipe: Path) -> None:
    objective = objective_of(translation_recipe)
    sources, inputs, targets = objective.collated([0, 1, 2])
    for row in range(3):
        source, target = objective.encoded[row]
        assert sources[row][sources[row] != PAD].tolist() == [*source, EOS]
        assert inputs[row][inputs[row] != PAD].tolist() == [BOS, *target]
        assert targets[row][targets[row] != PAD].tolist() == [*target, EOS]


def test_invented_numbers_are_on_both_sides(translation_recipe: Path) -> None:
    objective = objective_of(translation_recipe, "training.invented=1")
    sources, _, targets = objective.collated(range(20))
    for row in range(20):
        texts = [objective.model.subwords.decode(side[row].tolist()) for side in (sources, targets)]
        first = [text.split()[0] for text in texts]
        assert first[0] == first[1]
        assert texts[0].split()[1:] == objective.pairs[row][0].split()[1:]


def test_loss_falls(translation_recipe: Path) -> None:
    losses = train(open_trainer(translation_recipe, ["training.epochs=20", "subwords.dropout=0"]), 50)
    assert sum(losses[-9:]) < 0.7 * sum(losses[:9])


def test_scores_are_sacrebleus() -> None:
    found = score(["A dog runs here .", "ein Hund"], ["A dog runs here .", "Ein Hund"])
    assert found.values["BLEU_lc"] > found.values["BLEU"]
    assert "case:lc" in found.signatures["BLEU_lc"]
    assert "tok:13a" in found.signatures["BLEU"]
    assert score(["a b c d e"], ["a b c d e"]).values["chrF"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("subwords.size=5000", "5000 subwords can't be learnt from these sentences.*; lower subwords.size"),
        ("data.max_length=2", "every training pair is longer than data.max_length=2; raise it"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(translation_recipe: Path, option: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_trainer(translation_recipe, [option])


def test_one_language_is_not_translated(translation_recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"model\.target=en is the source too"):
        open_trainer(translation_recipe, ["model.target=en"])


def test_trained_checkpoint_is_scored_on_dev_and_test(translation_recipe: Path, finished: Finished) -> None:
    recipe = finished(translation_recipe)
    assert isinstance(recipe, ParallelTextRecipe)
    checkpoint = Checkpoint.open(recipe.output).expect(TRANSLATION)
    assert checkpoint.metrics["dev"]["sentences"] == 12
    found = evaluate([recipe.output], recipe.data.path, "test")
    assert found.report["sentences"] == 8
    assert found.report["BLEU"] == pytest.approx(checkpoint.metrics["test"]["BLEU"])
    assert checkpoint.metrics["dev"]["BLEU_signature"] in checkpoint.card
