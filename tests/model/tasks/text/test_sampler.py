"""Which token is drawn, against the distribution that it should come from."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from model.cells import CELLS
from model.tasks.text.batch import TextBatch
from model.tasks.text.config import GenerationConfig
from model.tasks.text.step import BLOCK
from model.vocabulary import BOS, EOS, PAD, SPECIALS, UNK
from tests.model.conftest import memoryless_model, random_model, run, write


@pytest.mark.parametrize("kind", CELLS)
def test_greedy_takes_the_likeliest_token_each_time(kind: str) -> None:
    model = random_model(cell=kind)
    found = write(model, "abc", temperature=0, max_tokens=20, dtype=torch.float32)
    tokens = model.encode("abc")
    for token in found.tokens:
        logprobs = model(torch.tensor([tokens]))[0][0, -1].log_softmax(0)
        likeliest = int(logprobs[len(SPECIALS) :].argmax()) + len(SPECIALS)
        assert model.vocabulary.words[likeliest] == token.text
        assert token.logprob == pytest.approx(float(logprobs[likeliest]), abs=1e-4)
        tokens.append(likeliest)
    assert len(found.tokens) == 20
    assert found.finish_reason == "length"


def test_log_probabilities_are_the_models_own_whatever_is_drawn() -> None:
    model = random_model(num_layers=3, hidden_size=64, sharpness=1.5)
    options: dict[str, object] = {
        "temperature": 1.5,
        "top_k": 6,
        "top_p": 0.8,
        "repetition_penalty": 1.5,
        "max_tokens": 100,
    }
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 0.05)):
        generation = GenerationConfig.model_validate(options)
        found = write(model, "abc", alternatives=3, dtype=dtype, **generation.model_dump())
        ids = model.encode("abc" + found.text)
        logprobs = model(torch.tensor([ids]))[0][0].log_softmax(1)[2:-1]  # (T, V)
        own = logprobs.gather(1, torch.tensor(ids[3:])[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor([token.logprob for token in found.tokens]), own, rtol=0, atol=tolerance)
        best = logprobs[:, len(SPECIALS) :].sort(dim=1, descending=True).values[:, :3]
        told = torch.tensor([[value for _, value in token.alternatives] for token in found.tokens])
        torch.testing.assert_close(told, best, rtol=0, atol=tolerance)


def test_special_tokens_are_never_written() -> None:
    model = memoryless_model({"a": 0.0, "b": -1.0})
    model.output.bias[: len(SPECIALS)] = 5.0
    for temperature in (0.0, 1.0):
        found = write(model, temperature=temperature, alternatives=5)
        assert set(found.text) <= {"a", "b"}
        assert [text for text, _ in found.tokens[0].alternatives] == ["a", "b"]
        assert math.exp(found.tokens[0].logprob or 0) < 0.01  # the model's own: it would rather say something else


LOGITS = {"a": 1.0, "b": 0.5, "c": 0.0, "d": -0.5, "e": -2.0, "f": -4.0}


def expected_probabilities(options: dict[str, float]) -> dict[str, float]:
    """Of `LOGITS`, from the definitions."""
    logits = {token: logit / options.get("temperature", 1) for token, logit in LOGITS.items()}
    total = sum(map(math.exp, logits.values()))
    probabilities = sorted(((math.exp(logit) / total, token) for token, logit in logits.items()), reverse=True)
    kept = probabilities[: int(options.get("top_k", len(LOGITS)))]
    total = sum(probability for probability, _ in kept)
    nucleus: dict[str, float] = {}
    for probability, token in kept:
        if sum(nucleus.values()) < options.get("top_p", 1):
            nucleus[token] = probability / total
    total = sum(nucleus.values())
    return {token: probability / total for token, probability in nucleus.items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 3},
        {"top_p": 0.8},
        {"temperature": 2.0, "top_k": 4, "top_p": 0.7},
        {"top_k": 1},
    ],
)
def test_sampling_follows_the_distribution(options: dict[str, float]) -> None:
    batch = TextBatch(memoryless_model(LOGITS), capacity=BLOCK)
    streams = [
        batch.join("a", GenerationConfig.model_validate({"max_tokens": 1000, "seed": seed, **options}))
        for seed in range(BLOCK)
    ]
    text = "".join(written.text for written in run(batch, *streams))
    expected = expected_probabilities(options)
    assert set(text) <= set(expected)
    draws = len(text)
    chi_square = sum((text.count(token) - draws * p) ** 2 / (draws * p) for token, p in expected.items())
    assert draws == 1000 * BLOCK
    assert chi_square < 20.5  # exceeded once in a thousand at five degrees of freedom
    pairs = sum(one == other == "a" for one, other in itertools.pairwise(text))
    assert pairs / draws == pytest.approx(expected["a"] ** 2, abs=0.02)  # draws do not depend on each other


def test_a_temperature_near_zero_is_zero() -> None:
    model = random_model(seed=3)
    assert write(model, temperature=1e-30) == write(model, temperature=1e-9) == write(model, temperature=0)


def test_texts_are_repeatable_and_seeds_and_choices_differ() -> None:
    model = random_model()
    texts = {(seed, choice): write(model, seed=seed, choice=choice) for seed in (1, 2) for choice in (0, 1)}
    assert texts == {(seed, choice): write(model, seed=seed, choice=choice) for seed, choice in texts}
    assert len({found.text for found in texts.values()}) == 4
    assert write(model, seed=None).text != write(model, seed=None).text


def test_the_repetition_penalty_is_that_of_ctrl() -> None:
    model = random_model(seed=3)
    penalty = 1.8
    found = write(model, "ab", temperature=0, repetition_penalty=penalty, dtype=torch.float32)
    tokens = model.encode("ab")
    for token in found.tokens:
        logits: Tensor = model(torch.tensor([tokens]))[0][0, -1]
        for seen in set(tokens):
            logits[seen] = logits[seen] / penalty if logits[seen] > 0 else logits[seen] * penalty
        logits[[PAD, BOS, EOS, UNK]] = -torch.inf
        tokens.append(int(logits.argmax()))
        assert model.vocabulary.words[tokens[-1]] == token.text
    assert found.text != write(model, "ab", temperature=0, dtype=torch.float32).text
