"""Text generation against slow, obvious ways to do the same, on small random networks and on one of real size."""

import gc
import itertools
import math
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.blocks import BLOCK, CompiledBlock, build_network
from model.cells import CELLS
from model.compiled import compile_step
from model.config import GenerationConfig, LanguageModelConfig
from model.generation import BatchFullError, TextBatch, generate
from model.language import LanguageModel
from model.prompt import CHUNK, MAX_ALTERNATIVES, Prompt, Token
from model.runtime import Runtime
from model.textstream import Delta, TextStream
from model.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary

LETTERS = "abcdefg. \n"
SEEDS = st.integers(0, 10_000)


def random_model(
    letters: Sequence[str] = LETTERS, *, seed: int = 0, sharpness: float = 3, **config: object
) -> LanguageModel:
    """Random weights, large enough that texts depend on what came before."""
    torch.manual_seed(seed)
    given = {"hidden_size": 24, "num_layers": 2, **config}
    if given.get("cell") == "rnn-relu":
        sharpness = min(sharpness, 1.0)  # without bound as it is, it would soon be infinite
    model = (
        LanguageModel(LanguageModelConfig.model_validate(given), Vocabulary.build([letters]))
        .eval()
        .requires_grad_(False)
    )
    for parameter in model.parameters():
        parameter.mul_(sharpness)
    return model


def memoryless_model(logits: dict[str, float]) -> LanguageModel:
    """Says each token with the same probability at every step, whatever came before."""
    model = random_model(list(logits), sharpness=0, hidden_size=1, num_layers=1)
    for token, logit in logits.items():
        model.output.bias[model.vocabulary.encode([token])] = logit
    model.output.bias[: len(SPECIALS)] = -20.0
    return model


@dataclass
class Written:
    """All that came of a text."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, delta: Delta) -> None:
        assert self.finish_reason is None
        self.text += delta.text
        self.tokens += delta.tokens
        self.finish_reason = delta.finish_reason


def write(
    model: LanguageModel,
    prompt: str = "a",
    *,
    dtype: torch.dtype | None = None,
    alternatives: int = 0,
    choice: int = 0,
    **options: object,
) -> Written:
    """A text alone."""
    written = Written()
    generation = GenerationConfig.model_validate({"max_tokens": 30, "seed": 0, **options})
    for delta in generate(model, prompt, generation, choice=choice, alternatives=alternatives, dtype=dtype):
        written.add(delta)
    return written


def run(batch: TextBatch, *streams: TextStream) -> list[Written]:
    """Steps until these texts have ended."""
    written = {stream: Written() for stream in streams}
    while any(text.finish_reason is None for text in written.values()):
        for stream, delta in batch.step():
            if stream in written:
                written[stream].add(delta)
    return list(written.values())


@dataclass(frozen=True)
class Request:
    prompt: str
    generation: GenerationConfig
    choice: int
    alternatives: int
    wait: int
    """Steps of the batch before it joins."""


REQUESTS = st.builds(
    Request,
    prompt=st.one_of(st.text(LETTERS, max_size=6), st.just("ab" * CHUNK)),
    generation=st.builds(
        GenerationConfig,
        max_tokens=st.integers(0, 12),
        temperature=st.sampled_from([0.0, 1e-9, 0.7, 1.0, 1.7]),
        top_k=st.sampled_from([0, 0, 1, 3, 1000]),
        top_p=st.sampled_from([1.0, 1.0, 0.9, 0.3]),
        repetition_penalty=st.sampled_from([1.0, 1.0, 1.3]),
        stop=st.sampled_from([(), (), ("a",), ("bc", "d.")]),
        seed=st.integers(0, 50),
    ),
    choice=st.integers(0, 3),
    alternatives=st.sampled_from([0, 0, 2, 5]),
    wait=st.integers(0, 3),
)


def together(model: LanguageModel, requests: Sequence[Request], capacity: int) -> list[Written]:
    """The texts of requests that join a batch as it goes on, when their time has come and there is a slot."""
    batch = TextBatch(model, capacity=capacity)
    written: dict[TextStream, Written] = {}

    def step() -> None:
        for stream, delta in batch.step():
            written[stream].add(delta)

    for request in requests:
        for _ in range(request.wait):
            step()
        while not batch.free:
            step()
        stream = batch.join(
            request.prompt, request.generation, choice=request.choice, alternatives=request.alternatives
        )
        written[stream] = Written()
    while batch.free < capacity:
        step()
    return list(written.values())


def alone(model: LanguageModel, request: Request) -> Written:
    return write(
        model,
        request.prompt,
        choice=request.choice,
        alternatives=request.alternatives,
        **request.generation.model_dump(),
    )


@pytest.mark.parametrize("kind", CELLS)
@given(st.data())
@settings(max_examples=4)
def test_texts_are_what_they_are_alone(kind: str, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([4, 7, 24, 32]), label="hidden size")
    embedding = data.draw(st.sampled_from([0, 5]), label="embedding size")
    model = random_model(cell=kind, hidden_size=size, embedding_size=embedding)
    requests = data.draw(st.lists(REQUESTS, min_size=1, max_size=8), label="requests")
    capacity = data.draw(st.sampled_from([1, 3, BLOCK, 2 * BLOCK + 1]), label="capacity")
    assert together(model, requests, capacity) == [alone(model, request) for request in requests]


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    if not Runtime.available():
        pytest.skip("OpenVINO is not installed")
    return Runtime(threads=1, precision="float32")


@pytest.mark.parametrize("kind", CELLS)
def test_compiled_logits_are_those_of_torch(kind: str, runtime: Runtime) -> None:
    model = random_model(cell=kind, sharpness=1, embedding_size=5 if kind == "gru" else 0, hidden_size=40)
    model.compiled = compile_step(model, kind, runtime)
    block = build_network(model, None).block(3)
    assert isinstance(block, CompiledBlock)
    tokens = torch.randint(len(model.vocabulary), (3, 20))
    with torch.inference_mode():
        expected, _ = model(tokens)  # (N, T, V)
        for row in range(3):
            block.put(row, None)
        for time in range(tokens.shape[1]):
            found = block.step(tokens[:, time], 3)  # (N, V)
            torch.testing.assert_close(found, expected[:, time], atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [kind for kind in CELLS if not kind.startswith("rnn")])
def test_a_compiled_state_stays_in_single_precision(kind: str) -> None:
    """Products may be in bfloat16, as they are on a CPU that has it; what is carried along beside them is not."""
    runtime = Runtime(threads=1) if Runtime.available() else pytest.skip("OpenVINO is not installed")
    model = random_model(cell=kind, sharpness=1, hidden_size=40)
    model.compiled = compile_step(model, kind, runtime)
    block = build_network(model, None).block(3)
    assert isinstance(block, CompiledBlock)
    tokens = torch.randint(len(model.vocabulary), (3, 100))
    with torch.inference_mode():
        expected, _ = model(tokens)  # (N, T, V)
        for time in range(tokens.shape[1]):
            found = block.step(tokens[:, time], 3)  # (N, V)
    torch.testing.assert_close(found, expected[:, -1], atol=0.02, rtol=0)
    assert (block.state != block.state.bfloat16()).float().mean() > 0.9


@pytest.mark.parametrize("independent", [True, False])
def test_compiled_texts_are_what_they_are_alone(independent: bool, runtime: Runtime) -> None:
    model = random_model()
    model.compiled = compile_step(model, "random", runtime)._replace(independent=independent)
    given = [
        Request("abc"[: number % 4], GenerationConfig(max_tokens=9, seed=number), 0, number % 3, number % 2)
        for number in range(20)
    ]
    found = together(model, given, 18)
    assert found == [alone(model, request) for request in given]
    assert len({text.text for text in found}) == len(found)


@pytest.mark.parametrize("compiled", [False, True])
def test_many_texts_of_a_large_model_are_what_they_are_alone(compiled: bool, request: pytest.FixtureRequest) -> None:
    letters = [chr(code) for code in range(32, 97)]
    model = random_model(letters, hidden_size=512)
    if compiled:
        model.compiled = compile_step(model, "large", request.getfixturevalue("runtime"))
    generations = [
        GenerationConfig(
            max_tokens=8 + number % 7,
            temperature=(0.0, 0.5, 0.8, 1.0, 1.5)[number % 5],
            top_k=(0, 0, 5, 40)[number % 4],
            top_p=(1.0, 0.9, 0.5)[number % 3],
            repetition_penalty=(1.0, 1.2)[number % 2],
            seed=number // 2,
        )
        for number in range(36)
    ]
    requests = [
        Request("".join(letters[number:][: 3 + number]), generation, number % 2, number % 3, number % 3)
        for number, generation in enumerate(generations)
    ]
    found = together(model, requests, 32)
    assert found == [alone(model, request) for request in requests]
    assert len({text.text for text in found}) == len(found)


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


def test_what_the_model_has_never_seen_is_read_as_unknown() -> None:
    model = random_model()
    batch = TextBatch(model)
    stream = batch.join("aé\r😀b", GenerationConfig(max_tokens=5, seed=1), prompt_logprobs=True)
    (found,) = run(batch, stream)
    assert [token.text for token in stream.prompt] == ["a", "é", "\r", "😀", "b"]
    ids = [model.encode("a")[0], UNK, UNK, UNK, model.encode("b")[0]]
    logprobs = model(torch.tensor([ids]))[0][0].log_softmax(1)
    assert stream.prompt[2].logprob == pytest.approx(float(logprobs[1, UNK]), abs=0.05)
    assert found == write(model, "aßßßb", max_tokens=5, seed=1)


def test_an_empty_prompt_is_a_line_break() -> None:
    model = random_model()
    batch = TextBatch(model)
    stream = batch.join("", GenerationConfig(max_tokens=30, seed=0), prompt_logprobs=True)
    (found,) = run(batch, stream)
    assert found == write(model, "\n")
    assert (stream.prompt_tokens, stream.prompt, stream.written) == (0, (), 30)
    assert len(write(random_model("abc"), "").tokens) == 30  # knows no line break


@pytest.mark.parametrize(("kind", "length"), [("lstm", 10_000), ("gru", 2_000), ("lstm-fgr", 1_000)])
def test_a_long_prompt_in_chunks_is_the_prompt_read_whole(kind: str, length: int) -> None:
    model = random_model(cell=kind, sharpness=1.0)
    letters = torch.randint(len(LETTERS), (length,), generator=torch.Generator().manual_seed(0)).tolist()
    prompt = "".join(LETTERS[letter] for letter in letters)
    batch = TextBatch(model, dtype=torch.float32)
    generation = GenerationConfig(max_tokens=1, temperature=0)
    stream = batch.join(prompt, generation, alternatives=2, prompt_logprobs=True)
    other = batch.join("a", GenerationConfig(max_tokens=1000, seed=0))
    (found,) = run(batch, stream)
    assert other.written >= len(prompt) // CHUNK - 1  # a long prompt does not hold up the others
    ids = torch.tensor(model.encode(prompt))
    with torch.inference_mode():
        logprobs = model(ids[None])[0][0].log_softmax(1)  # (T, V)
    assert stream.prompt_tokens == len(stream.prompt) == len(prompt)
    assert (stream.prompt[0].logprob, stream.prompt[0].alternatives) == (None, ())
    told = torch.tensor([token.logprob for token in stream.prompt[1:]])
    torch.testing.assert_close(told, logprobs[:-1].gather(1, ids[1:, None])[:, 0], rtol=0, atol=1e-4)
    best = logprobs[:-1, len(SPECIALS) :].topk(2).values
    told = torch.tensor([[value for _, value in token.alternatives] for token in stream.prompt[1:]])
    torch.testing.assert_close(told, best, rtol=0, atol=1e-4)
    assert found.tokens[0].logprob == pytest.approx(float(logprobs[-1, len(SPECIALS) :].max()), abs=1e-4)


@pytest.mark.parametrize(
    ("length", "steps"), [(1, 1), (2, 2), (17, 17), (18, 1), (CHUNK + 1, 1), (CHUNK + 9, 9), (CHUNK + 18, 2)]
)
def test_a_compiled_model_reads_the_end_of_a_prompt_in_steps(length: int, steps: int, runtime: Runtime) -> None:
    model = random_model(sharpness=1.0)
    model.compiled = compile_step(model, "sharp", runtime)
    prompt = (LETTERS * length)[:length]
    batch = TextBatch(model, capacity=3)
    other = batch.join("a", GenerationConfig(max_tokens=100))
    stream = batch.join(prompt, GenerationConfig(max_tokens=1, temperature=0))
    (found,) = run(batch, stream)
    with torch.inference_mode():
        logprobs = model(torch.tensor(model.encode(prompt))[None])[0][0, -1].log_softmax(0)  # (V,)
    assert found.tokens[0].logprob == pytest.approx(float(logprobs[len(SPECIALS) :].max()), abs=1e-4)
    assert found.tokens[0].text == model.vocabulary.words[len(SPECIALS) + int(logprobs[len(SPECIALS) :].argmax())]
    assert other.written == steps
    gone = batch.join(prompt, GenerationConfig(max_tokens=2))
    batch.step()
    batch.leave(gone)  # in the middle of its prompt
    assert batch.free == 2


@pytest.mark.parametrize("compiled", [False, True])
def test_choices_of_a_prompt_read_it_once(compiled: bool, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(sharpness=1.0)
    if compiled:
        model.compiled = compile_step(model, "sharp", runtime)
    prompt = (LETTERS * CHUNK)[: 4 * CHUNK + 10]
    generation = GenerationConfig(max_tokens=12, seed=3)
    alone = ["".join(delta.text for delta in generate(model, prompt, generation, choice=choice)) for choice in range(3)]
    reads: list[Prompt] = []
    read = Prompt.read

    def counted(self: Prompt, *given: Any) -> int:
        reads.append(self)
        return read(self, *given)

    monkeypatch.setattr(Prompt, "read", counted)
    batch = TextBatch(model, capacity=5)
    first = batch.join(prompt, generation, choice=0, prompt_logprobs=True)
    batch.step()  # it is on its way already
    choices = [first, *(batch.join(prompt, generation, choice=choice, prompt_logprobs=True) for choice in (1, 2))]
    batch.join(prompt, generation)  # tells no log-probabilities of its prompt, so it has one of its own
    gone = batch.join(prompt, generation, prompt_logprobs=True)
    batch.leave(gone)
    written = run(batch, *choices)
    assert [one.text for one in written] == alone
    assert len(set(alone)) == 3
    assert len({stream.prompt for stream in choices}) == 1
    assert len(first.prompt) == len(prompt)
    assert sorted(Counter(map(id, reads)).values()) == ([4, 4] if compiled else [5, 5])


def test_leaving_frees_the_slot_at_once() -> None:
    model = random_model()
    batch = TextBatch(model, capacity=2)
    generation = GenerationConfig(max_tokens=20, seed=5)
    gone, stays = batch.join("a", generation), batch.join("b", generation)
    with pytest.raises(BatchFullError, match="all 2 slots are taken"):
        batch.join("c", generation)
    assert [stream for stream, _ in batch.step()] == [gone, stays]
    batch.leave(gone)
    assert batch.free == 1
    batch.leave(gone)
    assert batch.free == 1
    reading = batch.join("ab" * 5 * CHUNK, generation)
    assert [stream for stream, _ in batch.step()] == [stays]
    batch.leave(reading)
    late = batch.join("c", generation)
    batch.leave(reading)  # its slot is another's now
    (found,) = run(batch, late)
    assert found == write(model, "c", **generation.model_dump())
    assert (reading.written, gone.written, stays.written) == (0, 1, 20)
    assert batch.free == 2
    assert batch.step() == []


def test_no_tokens_score_the_prompt() -> None:
    batch = TextBatch(random_model())
    stream = batch.join("abc", GenerationConfig(max_tokens=0), prompt_logprobs=True)
    assert batch.step() == [(stream, Delta("", (), "length"))]
    assert [token.text for token in stream.prompt] == ["a", "b", "c"]
    assert [token.logprob is None for token in stream.prompt] == [True, False, False]
    assert batch.free == 32


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


def test_memory_stays_flat_over_a_long_text() -> None:
    def memory() -> tuple[int, int]:
        gc.collect()
        return sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    words = [f"{number:09} " for number in range(10)]  # long ones: 100,000 characters are soon written
    model = random_model(words, unit="word", num_layers=1, hidden_size=8)
    generation = GenerationConfig(max_tokens=10_000, seed=0, stop=("never",), repetition_penalty=1.1)
    characters, taken = 0, []
    for delta in generate(model, words[0], generation, alternatives=1):
        characters += len(delta.text)
        if characters in (10_000, 99_000):  # before it ends, and lets go of all that it has
            taken.append(memory())
    assert characters == 100_000
    blocks, kibibytes = (after - before for before, after in zip(*taken, strict=True))
    assert blocks < 3_000  # of Python's; one object kept for each word would be 9,000
    assert kibibytes < 500  # of all; 60 bytes a word would be more


def test_what_can_not_be_is_refused() -> None:
    model = random_model()
    with pytest.raises(ValueError, match=f"alternatives={MAX_ALTERNATIVES + 1}: must be from 0 to {MAX_ALTERNATIVES}"):
        TextBatch(model).join("a", GenerationConfig(), alternatives=MAX_ALTERNATIVES + 1)
    with pytest.raises(ValueError, match="nothing to write"):
        TextBatch(random_model([]))
    with pytest.raises(ValueError, match=r"call its eval\(\) first"):
        TextBatch(model.train())
