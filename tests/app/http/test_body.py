"""JSON bodies as models: nulls, overrides, and refusals that cost no more than the body's size."""

import tracemalloc
from typing import Annotated, Any

import pytest
from pydantic import Field

from app.errors import Refusal
from app.http.body import Body, Ignored, Needed, Unsupported, overrides, parse
from app.tasks.captioning.huggingface import CaptionInference
from app.tasks.captioning.openai import ChatRequest
from app.tasks.text.huggingface import TextInference
from app.tasks.text.openai import CompletionRequest
from model.tasks.text.config import GenerationConfig


@overrides(GenerationConfig, {"heat": "temperature", "end": "stop", "max_tokens": "max_tokens"})
class Example(Body):
    """An example."""

    text: Annotated[str, Needed("text is needed")]
    """The text."""
    n: Annotated[int, Field(ge=1)] = 1
    colour: Annotated[Any, Unsupported("all is grey", ("grey",))] = None
    user: Ignored = None
    inner: CaptionInference | None = None


def test_nulls_count_as_not_given() -> None:
    asked = parse(Example, {"text": "a", "n": None, "heat": None, "colour": None, "inner": None})
    assert asked == parse(Example, {"text": "a"})
    assert asked.given(GenerationConfig) == {}


def test_overrides_are_given_by_the_configurations_names() -> None:
    assert parse(Example, {"text": "a", "heat": 2, "end": "x"}).given(GenerationConfig) == {
        "temperature": 2,
        "stop": ("x",),
    }
    assert parse(Example, {"text": "a", "end": ["x", "y"]}).given(GenerationConfig) == {"stop": ("x", "y")}


def test_schema_has_neither_defaults_of_overrides_nor_references() -> None:
    schema = Example.json_schema()
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["heat"]["anyOf"] == [
        {"maximum": 2.0, "minimum": 0.0, "type": "number"},
        {"type": "null"},
    ]
    assert not any("default" in schema["properties"][name] for name in ("heat", "end", "max_tokens", "inner"))
    assert "all is grey" in schema["properties"]["colour"]["description"]
    assert "$ref" not in str(schema)


@pytest.mark.parametrize(
    ("document", "field", "says"),
    [
        ({}, "text", "text=None: text is needed"),
        ({"text": 1}, "text", "text=1: text is needed"),
        ({"text": "a", "heat": 3}, "heat", "heat=3: input should be less than or equal to 2"),
        ({"text": "a", "head": 3}, "head", "unknown parameter 'head'; did you mean heat?"),
        ({"text": "a", "colour": "red"}, "colour", "colour='red': not supported: all is grey"),
        ({"text": "a", "end": 5}, "end", "end=5: a string is needed, or a list of them"),
        ({"text": "a", "inner": {"inputs": "", "stream": 1}}, "stream", "stream=1: true or false"),
        ({"text": "a", "inner": {"inputs": "", "parameters": {"num_beams": 11}}}, "num_beams", "num_beams=11: input"),
        ({"text": "a", "inner": {"inputs": "", "parameters": []}}, "parameters", "parameters=[]: an object is needed"),
    ],
)
def test_refusal_names_the_field_that_is_wrong(document: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(Example, document)
    assert caught.value.field == field
    assert says in caught.value.message


MANY = 300_000


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (CompletionRequest, {"ab" * 5_000_000: 1}),
        (CompletionRequest, {f"{number}": 1 for number in range(MANY)}),
        (CompletionRequest, {"prompt": [[]] * MANY}),
        (CompletionRequest, {"prompt": ["x"] * MANY}),
        (CompletionRequest, {"stop": [[]] * MANY}),
        (CompletionRequest, {"stop": ["x"] * MANY}),
        (CompletionRequest, {"logit_bias": [[]] * MANY}),
        (ChatRequest, {"messages": [{}] * MANY}),
        (ChatRequest, {"messages": [[]] * MANY}),
        (ChatRequest, {"messages": [{}], "modalities": ["text"] * MANY}),
        (TextInference, {"inputs": [[]] * MANY}),
        (TextInference, {"inputs": "x", "parameters": [[]] * MANY}),
        (CaptionInference, {"inputs": "x", "parameters": {"generation_parameters": [[]] * MANY}}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else next(iter(value))[:20],
)
def test_large_body_is_refused_without_being_copied(model: type[Body], document: dict[str, Any]) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as caught:
            parse(model, document)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert len(caught.value.message) < 1000
