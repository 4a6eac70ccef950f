"""Texts side by side against each alone, on small random networks and on one of real size."""

import gc
import resource
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.cells import CELLS
from model.openvino.runtime import Runtime
from model.tasks.text.batch import BatchFullError, TextBatch, generate
from model.tasks.text.config import GenerationConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.networks import CompiledStepper
from model.tasks.text.prompt import CHUNK, MAX_ALTERNATIVES
from model.tasks.text.step import BLOCK
from model.tasks.text.stream import TextStream
from tests.model.conftest import LETTERS, Written, compiled, random_model, run, write


@dataclass(frozen=True)
class Request:
    prompt: str
    generation: GenerationConfig
    choice: int
    alternatives: int
    wait: int
    """Steps of the batch before it joins."""
    rest: int = 0
    """Steps after which it is paused, again and again; 0 is never."""


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
    rest=st.sampled_from([0, 0, 1, 2, 5]),
)


def together(model: LanguageModel, requests: Sequence[Request], capacity: int) -> list[Written]:
    """The texts of requests that join a batch as it goes on, when their time has come and there is a slot."""
    batch = TextBatch(model, capacity=capacity)
    written: dict[TextStream, Written] = {}
    rests: dict[TextStream, int] = {}
    paused: deque[TextStream] = deque()
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        while batch.free and paused:
            batch.resume(paused.popleft())
        for stream, delta in batch.step():
            written[stream].add(delta)
        for stream in [stream for stream in batch.streams if stream]:
            if rests[stream] and steps % rests[stream] == 0:
                batch.pause(stream)
                paused.append(stream)

    for request in requests:
        for _ in range(request.wait):
            step()
        while not batch.free:
            step()
        stream = batch.join(
            request.prompt, request.generation, choice=request.choice, alternatives=request.alternatives
        )
        written[stream], rests[stream] = Written(), request.rest
    while paused or batch.free < capacity:
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


@pytest.mark.parametrize("independent", [True, False])
def test_compiled_texts_are_what_they_are_alone(independent: bool, runtime: Runtime) -> None:
    model = compiled(random_model(), "random", runtime)
    assert isinstance(model.stepper, CompiledStepper)
    model.stepper.width = 0 if independent else BLOCK
    given = [
        Request("abc"[: number % 4], GenerationConfig(max_tokens=9, seed=number), 0, number % 3, number % 2, number % 4)
        for number in range(20)
    ]
    found = together(model, given, 18)
    assert found == [alone(model, request) for request in given]
    assert len({text.text for text in found}) == len(found)


@pytest.mark.parametrize("in_torch", [True, False])
def test_many_texts_of_a_large_model_are_what_they_are_alone(in_torch: bool, request: pytest.FixtureRequest) -> None:
    letters = [chr(code) for code in range(32, 97)]
    model = random_model(letters, hidden_size=512)
    if not in_torch:
        model = compiled(model, "large", request.getfixturevalue("runtime"))
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


@pytest.mark.parametrize("kind", ["lstm", "gru", "compiled"])
def test_paused_texts_go_on_exactly_where_they_were(kind: str, runtime: Runtime) -> None:
    model = compiled(random_model(), "random", runtime) if kind == "compiled" else random_model(cell=kind)
    long = GenerationConfig(max_tokens=530, repetition_penalty=1.1)  # random numbers are drawn ahead by the hundreds
    given = [
        Request("ab" * number * CHUNK, long.model_copy(update={"seed": number}), 0, 0, 0, rest)
        for number, rest in enumerate((3, 97, 256, 0, 300))
    ]
    assert together(model, given, 3) == [alone(model, request) for request in given]


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
