"""Explanations: the text as far as each word, and without it."""

import pytest

from model.tasks.intents.explanation import explain
from tests.intent_queries import tiny_classifier


def test_each_word_has_the_ranking_after_it_and_the_answer_without_it() -> None:
    model = tiny_classifier()
    effects = explain(model, "What TIME is it in Atlantis?")
    assert [effect.word for effect in effects] == ["what", "time", "is", "it", "in", "atlantis"]
    assert [effect.known for effect in effects] == [True] * 5 + [False]

    def probability(text: str) -> float:
        (answer,) = model.answers([model.encode(text)])
        return answer.probability("time")

    whole = probability("what time is it in atlantis")
    assert effects[1].after.probability("time") == pytest.approx(probability("what time"), abs=1e-5)
    assert effects[-1].after.probability("time") == pytest.approx(whole, abs=1e-5)
    for word, text in ((1, "what is it in atlantis"), (5, "what time is it in")):
        without = effects[word].without
        assert without
        assert without.probability("time") == pytest.approx(probability(text), abs=1e-5)
        assert effects[word].effect == pytest.approx(whole - probability(text), abs=1e-5)


def test_a_single_word_has_nothing_left_without_it() -> None:
    (effect,) = explain(tiny_classifier(), "thanks")
    assert effect.without is None
    assert effect.effect == effect.after.ranking[0].confidence
    assert explain(tiny_classifier(), "?!") == []
