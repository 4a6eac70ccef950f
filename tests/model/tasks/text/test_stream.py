"""Where a text ends, and what is held back until it is known."""

from hypothesis import given, settings
from hypothesis import strategies as st

from model.tasks.text.batch import generate
from model.tasks.text.config import GenerationConfig
from tests.model.conftest import SEEDS, random_model, write


@given(SEEDS, st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3), st.integers(1, 40))
@settings(max_examples=25)
def test_a_text_ends_before_the_first_stop_string(seed: int, stop: list[str], length: int) -> None:
    model = random_model("abc", num_layers=1, hidden_size=4)
    whole = write(model, seed=seed, max_tokens=length).text
    ends = [whole[:end] for end in range(1, length + 1) if whole[:end].endswith(tuple(stop))]
    found = write(model, seed=seed, max_tokens=length, stop=stop)
    if ends:
        assert found.text == min((ends[0].removesuffix(one) for one in stop if ends[0].endswith(one)), key=len)
        assert found.finish_reason == "stop"
    else:
        assert found.text == whole
        assert found.finish_reason == "length"
    assert "".join(token.text for token in found.tokens) == found.text


def test_only_what_may_become_a_stop_string_is_held_back() -> None:
    model = random_model("abc", num_layers=1, hidden_size=4)
    generation = GenerationConfig(max_tokens=60, seed=3, stop=("aab", "bbbb"))
    said = ""
    for step, delta in enumerate(generate(model, "a", generation), 1):
        said += delta.text
        whole = write(model, seed=3, max_tokens=step).text
        held = whole[len(said) :]
        if delta.finish_reason is None:
            assert whole.startswith(said)
            assert any(stop.startswith(held) for stop in generation.stop)
            starts = [whole[start:] for start in range(len(said))]
            assert not any(stop.startswith(end) for end in starts for stop in generation.stop)


WORDS = ["the", " cat", " sat", ".", "\n", " mat"]


def test_stop_strings_cut_words() -> None:
    model = random_model(WORDS, unit="word", embedding_size=8)
    whole = write(model, "the cat", seed=1)
    cut = whole.text.index("at") + 1
    found = write(model, "the cat", seed=1, stop=["t"])
    assert found.finish_reason == "stop"
    assert found.text == whole.text[: whole.text.index("t")]
    found = write(model, "the cat", seed=1, stop=[whole.text[cut : cut + 6]])
    assert found.text == whole.text[: whole.text.index(whole.text[cut : cut + 6])]
    said = "".join(token.text for token in found.tokens)  # the word that is cut stands whole in the tokens
    assert said.startswith(found.text)
    assert whole.text.startswith(said)
    assert len(said) - len(found.text) < len(found.tokens[-1].text)


def test_words_are_drawn_with_their_spaces() -> None:
    model = random_model(WORDS, unit="word", embedding_size=8)
    found = write(model, "the cat")
    assert len(found.tokens) == 30
    assert {token.text for token in found.tokens} <= set(WORDS)
    assert found.text == "".join(token.text for token in found.tokens)
