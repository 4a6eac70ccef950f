"""Prompts against the model that reads them whole."""

from collections import Counter
from typing import Any

import pytest
import torch

from model.openvino.runtime import Runtime
from model.tasks.text.batch import TextBatch, generate
from model.tasks.text.config import GenerationConfig
from model.tasks.text.prompt import CHUNK, Prompt
from model.tasks.text.stream import Delta
from model.vocabulary import SPECIALS, UNK
from tests.model.conftest import LETTERS, compiled, random_model, run, write


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
    model = compiled(model, "sharp", runtime)
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


@pytest.mark.parametrize("in_torch", [True, False])
def test_choices_of_a_prompt_read_it_once(in_torch: bool, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(sharpness=1.0)
    if not in_torch:
        model = compiled(model, "sharp", runtime)
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
    assert sorted(Counter(map(id, reads)).values()) == ([5, 5] if in_torch else [4, 4])


def test_no_tokens_score_the_prompt() -> None:
    batch = TextBatch(random_model())
    stream = batch.join("abc", GenerationConfig(max_tokens=0), prompt_logprobs=True)
    assert batch.step() == [(stream, Delta("", (), "length"))]
    assert [token.text for token in stream.prompt] == ["a", "b", "c"]
    assert [token.logprob is None for token in stream.prompt] == [True, False, False]
    assert batch.free == 32
