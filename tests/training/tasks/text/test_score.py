"""The score of a text: each token once, whatever the streams, in known units."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.vocabulary import UNK, Vocabulary, pieces
from training.tasks.text.score import CONTEXT, TextScore, score_text

WORDS = ("to", "be", "or", "not", "that", "is", "the", "question")


def write(length: int, seed: int = 0) -> str:
    chosen = torch.randint(len(WORDS), (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    return " ".join(WORDS[number] for number in chosen)


def build(unit: str = "character") -> LanguageModel:
    torch.manual_seed(0)
    config = LanguageModelConfig.model_validate({"unit": unit, "hidden_size": 16, "num_layers": 2, "dropout": 0.5})
    model = LanguageModel(config, Vocabulary.build([pieces(write(200), config.unit)]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # so that what was read matters
    return model


def alone(model: LanguageModel, text: str, before: str) -> float:
    """The text read by one stream, in one call."""
    context, tokens = model.encode(before), model.encode(text)
    with torch.inference_mode():
        logits, _ = model.eval()(torch.tensor([context + tokens]))
    return cross_entropy(logits[0, len(context) - 1 : -1], torch.tensor(tokens), reduction="sum").item()


@pytest.mark.parametrize("streams", [1, 3, 32])
@pytest.mark.parametrize("unit", ["character", "word"])
def test_streams_side_by_side_score_as_one(streams: int, unit: str) -> None:
    model, text, before = build(unit), " " + write(3000, seed=1), write(300, seed=2)
    score = score_text(model, text, before=before, streams=streams, chunk=100)
    assert (score.characters, score.tokens, score.unknown) == (len(text), len(model.encode(text)), 0)
    context = model.decode(model.encode(before)[-CONTEXT:])
    assert score.nats == pytest.approx(alone(model, text, context), rel=1e-5)


def test_streams_read_what_precedes_them_where_nothing_precedes_the_text() -> None:
    model, text = build(), write(3000)
    whole = alone(model, text, "\n")
    assert score_text(model, text).nats == pytest.approx(whole, rel=1e-5)


def test_a_text_shorter_than_its_context_is_scored_from_its_first_character() -> None:
    model = build()
    score = score_text(model, "to be", before="")
    assert score.tokens == 5
    assert score.nats == pytest.approx(alone(model, "to be", "\n"), rel=1e-5)


def test_the_model_keeps_its_mode() -> None:
    model = build().train()
    assert score_text(model, "to be").nats == score_text(model, "to be").nats
    assert model.training


def test_an_unknown_character_costs_its_name_too() -> None:
    model = build()
    known = alone(model, "to ☃e", "\n")
    score = score_text(model, "to ☃e")
    assert (score.unknown, model.encode("☃")) == (1, [UNK])
    assert score.nats == pytest.approx(known + math.log(0x110000), rel=1e-5)
    assert score_text(build("word"), "to ☃").nats == pytest.approx(alone(build("word"), "to ☃", "\n"), rel=1e-5)


def test_units() -> None:
    score = TextScore(nats=100.0, tokens=50, characters=200, unknown=0, unit="character")
    assert [(figure.name, figure.label) for figure in score.figures("dev")] == [
        ("bits_per_character", "bits per character"),
        ("nats_per_character", "nats per character"),
    ]
    assert not any(figure.higher_is_better for figure in score.figures("dev"))
    assert score.report()["nats_per_character"] == 0.5
    assert score.report()["bits_per_character"] == pytest.approx(0.7213, abs=1e-4)
    words = TextScore(nats=100.0, tokens=50, characters=200, unknown=0, unit="word")
    assert words.figures("test")[0].name == "perplexity"
    assert words.report()["perplexity"] == pytest.approx(math.e**2)
    assert list(words.report()) == [
        *("tokens", "characters", "unknown"),
        *("perplexity", "nats_per_character", "bits_per_character"),
    ]


def test_perplexity_beyond_all_numbers_is_infinite() -> None:
    assert TextScore(nats=1e6, tokens=1, characters=1, unknown=0, unit="word").report()["perplexity"] == math.inf


def test_a_uniform_model_costs_the_logarithm_of_its_vocabulary() -> None:
    model = build()
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.zero_()
    assert score_text(model, write(50)).per_token == pytest.approx(math.log(len(model.vocabulary)))
