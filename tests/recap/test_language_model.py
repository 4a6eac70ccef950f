"""The Python API for text, over a real, small language model."""

from pathlib import Path

import pytest

from model.tasks.text.batch import generate
from model.tasks.text.language import LanguageModel as Network
from recap import LanguageModel


@pytest.fixture
def language_model(tiny_language_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("RECAP_THREADS", "1")
    return LanguageModel.load(tiny_language_checkpoint)


def expected(network: Network, prompt: str, **parameters: object) -> str:
    config = network.config.generation.model_copy(update=parameters)
    return "".join(delta.text for delta in generate(network, prompt, config))


def test_a_text_goes_on_from_its_prompt(language_model: LanguageModel) -> None:
    text = language_model("The woman", seed=4)
    assert text.text == expected(language_model.network, "The woman", seed=4)
    assert str(text) == "The woman" + text.text
    assert "".join(token.text for token in text.tokens) == text.text
    assert (len(text.text), text.finish_reason) == (40, "length")
    assert "".join(language_model.stream("The woman", seed=4)) == text.text


def test_many_texts_are_what_each_is_alone(language_model: LanguageModel) -> None:
    prompts = [f"{place} dogs and a" for place in range(40)]  # more than are written at a time
    texts = language_model(prompts, max_tokens=12, seed=1)
    assert [text.prompt for text in texts] == prompts
    assert [text.text for text in texts] == [language_model(prompt, max_tokens=12, seed=1).text for prompt in prompts]
    assert language_model([]) == []


def test_a_text_ends_before_a_stop_string(language_model: LanguageModel) -> None:
    text = language_model("The woman", temperature=0, stop=("bicycle",), max_tokens=100)
    assert text.finish_reason == "stop"
    assert "bicycle" not in text.text
    assert "rides" in text.text


def test_wrong_parameters_are_named(language_model: LanguageModel) -> None:
    with pytest.raises(ValueError, match=r"^temperature=3: input should be less than or equal to 2$"):
        language_model("A", temperature=3)
    with pytest.raises(TypeError, match="n: no such parameter; there are max_tokens"):
        language_model.stream("A", n=2)
