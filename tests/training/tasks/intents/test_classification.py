"""The objective: it learns, with any cell, with vectors and without, and from teachers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import Checkpoint, CheckpointError, save
from model.tasks.intents import INTENTS
from model.vocabulary import PAD, UNK, tokenize
from tests.intent_queries import tiny_classifier, write_queries
from tests.training.conftest import Finished, open_trainer, recap_train, train
from training.data.base import DataError
from training.tasks.intents.classification import Classification, make_vocabulary
from training.tasks.intents.distillation import Examples, altered_copies
from training.tasks.intents.nonsense import nonsense
from training.tasks.intents.recipe import Distillation, IntentDataRecipe
from training.tasks.intents.score import evaluate, logits_of


def objective(path: Path, *options: str) -> Classification:
    found = open_trainer(path, options).objective
    assert isinstance(found, Classification)
    return found


def test_checkpoint_scores_as_its_metrics_say(intents_recipe: Path, queries: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="0"):
        recap_train("train", "--config", str(intents_recipe), "--set", "training.epochs=8")
    checkpoint = Checkpoint.open(tmp_path / "intents" / "checkpoint").expect(INTENTS)
    found = checkpoint.metrics["dev"]
    assert (found["queries"], found["out_of_scope_queries"]) == (16, 6)
    assert found["accuracy"] >= 0.9  # its queries differ from those of train in the city alone
    assert found["recall"] >= 0.5
    assert found["threshold"] == checkpoint.config.threshold != 0.5
    again = dict(evaluate([checkpoint.path], queries, "dev").report)
    for point, before in zip(again.pop("operating_points"), found["operating_points"], strict=True):
        assert point == pytest.approx(before)
    expected = {name: value for name, value in found.items() if name != "operating_points"}
    assert {**again, "seconds": 0} == pytest.approx({**expected, "seconds": 0})
    assert f"| {found['accuracy']:.4f} | {found['recall']:.4f} |" in checkpoint.card
    with pytest.raises(DataError, match="split=test: the data have train, dev"):
        evaluate([checkpoint.path], queries, "test")


def test_other_intents_are_not_scored(tmp_path: Path) -> None:
    other = save(tmp_path / "tiny", INTENTS, tiny_classifier(), name="tiny", metrics={}, card="")
    file = write_queries(tmp_path / "queries") / "data_full.json"
    file.write_text(file.read_text().replace('"weather"', '"rain"'))
    with pytest.raises(DataError, match="has other intents than"):
        evaluate([other.path], tmp_path / "queries", "dev")


@pytest.mark.parametrize("cell", ["gru", "lstm-cifg"])
def test_other_cells_learn(intents_recipe: Path, cell: str) -> None:
    trainer = open_trainer(intents_recipe, [f"model.cell={cell}", "training.epochs=4"])
    losses = train(trainer, 4 * trainer.objective.updates_per_epoch)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_vectors_begin_where_the_folder_says(intents_recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    folder.mkdir()
    words = ["the", "time", "jupiter", "rain"]
    (folder / "words.txt").write_text("\n".join(words))
    np.save(folder / "vectors.npy", np.arange(20, dtype=np.float16).reshape(4, 5))
    model = objective(intents_recipe, f"data.vectors={folder}", "data.words=10000").model
    assert model.config.embedding_size == 5
    for row, word in enumerate(words):
        (number,) = model.vocabulary.encode([word])
        assert number != UNK
        assert model.embedding.weight[number].tolist() == list(range(5 * row, 5 * row + 5))
    assert not model.embedding.weight[PAD].any()
    assert not torch.equal(model.embedding.weight[UNK], model.embedding.weight[PAD])


def test_vocabulary_has_the_words_of_the_queries_first() -> None:
    queries = [["what", "time", "time"], ["rare"]]
    known = ["the", ",", "time", "of", "rare"]

    def words(*, words: int, min_count: int = 1) -> tuple[str, ...]:
        recipe = IntentDataRecipe(path=Path(), words=words, min_count=min_count)
        return make_vocabulary(queries, known, recipe).words[4:]

    assert words(words=0) == ("time", "rare", "what")
    assert words(words=0, min_count=2) == ("time", "rare")  # a rare word stays that has a vector
    assert words(words=8) == ("time", "rare", "what", "the")  # the specials count; a comma is no word
    assert words(words=100) == ("time", "rare", "what", "the", "of")


def test_background_is_drawn_anew_and_the_same_when_resumed(intents_recipe: Path) -> None:
    found = objective(intents_recipe, "training.background=5")
    again = objective(intents_recipe, "training.background=5", f"run={intents_recipe.parent}/other")
    drawn = [found._examples(epoch)[found.queries :] for epoch in range(3)]
    assert [again._examples(epoch)[again.queries :] for epoch in range(3)] == drawn
    assert all(len(set(numbers)) == 5 for numbers in drawn)
    assert drawn[0] != drawn[1] != drawn[2]
    outside = len(found.model.intents)
    assert all(found.labels[number] == outside for numbers in drawn for number in numbers)


def test_nonsense_is_out_of_scope_in_every_epoch(intents_recipe: Path) -> None:
    plain, more = (
        objective(intents_recipe, f"training.nonsense={count}", f"run={intents_recipe.parent}/{count}")
        for count in (0, 20)
    )
    added = list(range(plain.queries, more.queries))
    assert len(added) == 20
    assert set(added) < set(more._examples(0))
    assert (more.labels[added] == len(more.model.intents)).all()
    strange = [more.sentences[number].spellings for number in added]
    assert any((spelling == UNK).any() for spelling in strange)  # of another script


def test_nonsense_has_texts_with_and_without_words() -> None:
    texts = nonsense(40, seed=1)
    assert texts == nonsense(40, seed=1) != nonsense(40, seed=2)
    assert [place for place, text in enumerate(texts) if not tokenize(text)] == [0, 10, 20, 30]
    assert all(text.isascii() != place % 2 for place, text in enumerate(texts))


def test_mixtures_are_of_different_intents(intents_recipe: Path) -> None:
    found = objective(intents_recipe, "training.mixtures=0.5")
    labels = torch.tensor([0, 0, 0, 1, 2, 2, 3, 4])
    for _ in range(20):
        first, second, shares = found._mixtures(labels)
        assert len(first) <= 4
        assert (labels[first] != labels[second]).all()
        assert ((shares >= 0.25) & (shares <= 0.75)).all()


def test_copies_differ_from_their_queries_and_are_the_same_again() -> None:
    texts = ["what time is it in paris", "thanks"] * 50
    copies = altered_copies(texts, 3, seed=1)
    assert copies == altered_copies(texts, 3, seed=1) != altered_copies(texts, 3, seed=2)
    assert len(copies) == 3 * len(texts)
    assert all(copies)
    assert {word for copy in copies for word in copy.split()} <= set(" ".join(texts).split())
    changed = sum(copy != text for copy, text in zip(copies, texts * 3, strict=True))
    assert 0.2 * len(copies) < changed < 0.9 * len(copies)


def test_teachers_are_learnt_beside_the_labels(tmp_path: Path) -> None:
    model = tiny_classifier()
    teachers = []
    for name in ("one", "two"):
        saved = save(tmp_path / name, INTENTS, model, name=name, metrics={}, card="")
        teachers.append(saved.path)
    texts = ["what time is it in paris", "thanks from rome", "a treaty was signed in rome that year"]
    labels = torch.tensor([0, 3, 4])
    targets = torch.eye(5)[labels]
    recipe = Distillation(teachers=tuple(teachers), weight=0.75, copies=2)
    taught = Examples(texts, 2, labels, targets).taught(recipe, model, torch.device("cpu"), seed=1)
    assert (taught.queries, len(taught.texts)) == (6, 7)
    assert (taught.texts[:2], taught.texts[-1]) == (texts[:2], texts[2])
    answers = logits_of(Checkpoint.open(teachers[0]).expect(INTENTS).load(), taught.texts).softmax(-1)
    own = [0, 1, 6]
    torch.testing.assert_close(taught.targets[own], 0.25 * targets + 0.75 * answers[own])
    torch.testing.assert_close(taught.targets[2:6], answers[2:6])
    assert taught.labels.tolist() == [0, 3, *answers[2:6].argmax(-1).tolist(), 4]


def test_distillation_runs_as_a_recipe_says(intents_recipe: Path, finished: Finished, tmp_path: Path) -> None:
    # The tiny classifier knows the same intents, in another order.
    teacher = save(tmp_path / "teacher", INTENTS, tiny_classifier(), name="teacher", metrics={}, card="")
    with pytest.raises(CheckpointError, match="knows other intents than the learner"):
        open_trainer(intents_recipe, [f"distillation.teachers=['{teacher.path}']"])
    options = [
        f"distillation.teachers=['{finished(intents_recipe).output}']",
        "distillation.copies=1",
        f"run={tmp_path / 'student'}",
    ]
    plain = open_trainer(intents_recipe, [f"run={tmp_path / 'plain'}"])
    student = open_trainer(intents_recipe, options)
    assert student.objective.updates_per_epoch > plain.objective.updates_per_epoch
    losses = train(student, 2 * student.objective.updates_per_epoch)
    assert np.isfinite(losses).all()
