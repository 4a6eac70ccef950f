"""POST /models/{name}: Hugging Face's contract, asked for with its client and by hand."""

import asyncio
import base64
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from huggingface_hub import InferenceClient
from huggingface_hub.errors import (
    BadRequestError,
    GenerationError,
    HfHubHTTPError,
    TextGenerationError,
    ValidationError,
)
from PIL import Image

from app.main import create_app
from app.settings import Settings
from model.decoding.config import DecodingConfig
from model.tasks.captioning.captioner import Captioner
from model.tasks.text.language import LanguageModel
from tests.app.conftest import alone, worker_of

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]


@pytest.fixture
def captioner(text_client: httpx2.Client) -> InferenceClient:
    """Hugging Face's client of the captioner."""
    return InferenceClient(model=f"{text_client.base_url}/models/tiny")


@pytest.fixture
def writer(text_client: httpx2.Client) -> InferenceClient:
    """Hugging Face's client of the language model."""
    return InferenceClient(model=f"{text_client.base_url}/models/tiny-text")


def test_its_client_captions_files_and_bytes(
    captioner: InferenceClient, served: Captioner, picture: Image.Image, encode: Encode, tmp_path: Path
) -> None:
    ((caption,),) = served.caption([picture])
    picture.save(tmp_path / "picture.png")
    for image in (tmp_path / "picture.png", str(tmp_path / "picture.png"), encode(picture)):
        assert captioner.image_to_text(image).generated_text == caption.text


def test_a_picture_may_come_as_base64_with_parameters(
    text_client: httpx2.Client, served: Captioner, picture: Image.Image, encode: Encode
) -> None:
    inputs = base64.b64encode(encode(picture)).decode()

    def ask(**parameters: Any) -> list[str]:
        response = text_client.post("/models/tiny", json={"inputs": inputs, "parameters": parameters})
        return [text["generated_text"] for text in response.raise_for_status().json()]

    def alone(**decoding: Any) -> list[str]:
        config = DecodingConfig.model_validate(served.config.decoding.model_dump() | decoding)
        return [caption.text for caption in served.caption([picture], config)[0]]

    assert ask() == ask(max_new_tokens=250, do_sample=False, use_cache=True, typical_p=None) == alone()
    assert ask(num_beams=4, num_return_sequences=4) == alone(beam_size=4, num_captions=4)
    assert ask(generation_parameters={"num_beams": 1, "do_sample": False}) == alone(method="greedy")
    assert ask(max_new_tokens=3) == alone(max_length=3)
    assert ask(do_sample=True, seed=3, temperature=2.0) == alone(method="sample", seed=3, temperature=2.0)


def test_its_client_reads_a_text(writer: InferenceClient, served_text: LanguageModel) -> None:
    text = alone(served_text, "The woman", seed=2, max_tokens=30, top_k=5)
    asked: dict[str, Any] = {"seed": 2, "max_new_tokens": 30, "top_k": 5}
    assert writer.text_generation("The woman", **asked) == f"The woman{text}"
    assert writer.text_generation("The woman", return_full_text=False, **asked) == text
    assert (
        writer.text_generation("The woman", do_sample=False)
        == f"The woman{alone(served_text, 'The woman', temperature=0.0)}"
    )
    stopped = writer.text_generation("The woman", stop=["e"], return_full_text=False, **asked)
    assert stopped == text.partition("e")[0] != text


def test_its_client_reads_the_details(writer: InferenceClient, served_text: LanguageModel) -> None:
    answer = writer.text_generation(
        "The wo€", details=True, decoder_input_details=True, top_n_tokens=2, seed=2, max_new_tokens=20
    )
    details = answer.details
    assert details
    assert (details.finish_reason, details.generated_tokens, details.seed) == ("length", 20, 2)
    assert "The wo€" + "".join(token.text for token in details.tokens) == answer.generated_text
    assert [token.text for token in details.prefill] == list("The wo€")
    assert details.prefill[0].logprob is None
    assert [token.id for token in details.tokens] == served_text.vocabulary.encode(
        [token.text for token in details.tokens]
    )
    assert details.top_tokens
    assert [len(tokens) for tokens in details.top_tokens] == [2] * 20
    for token, top in zip(details.tokens, details.top_tokens, strict=True):
        assert token.logprob <= max(other["logprob"] for other in top) + 1e-6
        assert not token.special
    plain = writer.text_generation("The wo€", details=True, seed=2, max_new_tokens=20)
    assert plain.details
    assert (plain.details.prefill, plain.details.top_tokens) == ([], None)


def test_its_client_reads_a_stream(writer: InferenceClient, served_text: LanguageModel) -> None:
    text = alone(served_text, "A man", seed=4)
    assert "".join(writer.text_generation("A man", stream=True, seed=4)) == text
    tokens = list(writer.text_generation("A man", stream=True, details=True, seed=4, top_n_tokens=1))
    assert [token.index for token in tokens] == list(range(1, 41))
    assert tokens[-1].generated_text == f"A man{text}"
    assert {token.generated_text for token in tokens[:-1]} == {None}
    details = tokens[-1].details
    assert details
    assert (details.finish_reason, details.generated_tokens, details.input_length, details.seed) == ("length", 40, 5, 4)
    assert all(token.top_tokens and len(token.top_tokens) == 1 for token in tokens)


def test_a_stream_that_stops_says_so(writer: InferenceClient, served_text: LanguageModel) -> None:
    text = alone(served_text, "A man", seed=4, stop=("e",))
    tokens = list(
        writer.text_generation("A man", stream=True, details=True, seed=4, stop=["e"], return_full_text=False)
    )
    assert tokens[-1].generated_text == text
    assert tokens[-1].details
    assert tokens[-1].details.finish_reason == "stop_sequence"
    assert "".join(token.token.text for token in tokens if not token.token.special) == text


def test_several_texts(text_client: httpx2.Client, served_text: LanguageModel) -> None:
    body = {
        "inputs": "A",
        "parameters": {"num_return_sequences": 3, "seed": 1, "temperature": 1.5, "return_full_text": False},
    }
    texts = [text["generated_text"] for text in text_client.post("/models/tiny-text", json=body).json()]
    assert texts[0] == alone(served_text, "A", seed=1, temperature=1.5)
    assert len(set(texts)) == 3


def test_its_client_understands_what_goes_wrong(
    text_client: httpx2.Client, captioner: InferenceClient, writer: InferenceClient
) -> None:
    with pytest.raises(ValidationError, match=r"temperature=9: input should be less than or equal to 2"):
        writer.text_generation("x", temperature=9.0)
    with pytest.raises(ValidationError, match=r"max_new_tokens=200000: at most 100,000"):
        writer.text_generation("x", max_new_tokens=200_000)
    with pytest.raises(ValidationError, match=r"best_of=2: not supported"):
        writer.text_generation("x", best_of=2)
    with pytest.raises(TextGenerationError):
        list(writer.text_generation("x", stream=True, max_new_tokens=-1))
    with pytest.raises(BadRequestError, match="not a picture"):
        captioner.image_to_text(b"hello")
    with pytest.raises(HfHubHTTPError, match="there is no model 'nobody'; there is tiny, tiny-text") as missing:
        InferenceClient(model=f"{text_client.base_url}/models/nobody").image_to_text(b"x")
    assert missing.value.response.status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("tiny-text", {"content": b"{"}, 400, "not valid JSON"),
        ("tiny-text", {"content": b"hello", "headers": {"content-type": "text/plain"}}, 415, "JSON object is needed"),
        ("tiny-text", {"json": {}}, 422, "inputs=None: text is needed"),
        ("tiny-text", {"json": {"inputs": ["a"]}}, 422, "text is needed"),
        ("tiny-text", {"json": {"inputs": "a", "parameter": {}}}, 422, "did you mean parameters?"),
        ("tiny-text", {"json": {"inputs": "a", "parameters": []}}, 422, "an object is needed"),
        ("tiny-text", {"json": {"inputs": "a", "parameters": {"max_tokens": 1}}}, 422, "did you mean max_new_tokens?"),
        ("tiny-text", {"json": {"inputs": "a", "stream": "yes"}}, 422, "true or false"),
        ("tiny-text", {"json": {"inputs": "a", "parameters": {"details": 1}}}, 422, "details=1: true or false"),
        (
            "tiny-text",
            {"json": {"inputs": "a", "parameters": {"watermark": True}}},
            422,
            "watermark=True: not supported",
        ),
        ("tiny-text", {"json": {"inputs": "a", "parameters": {"top_n_tokens": 6}}}, 422, "top_n_tokens=6"),
        (
            "tiny-text",
            {"json": {"inputs": "a", "parameters": {"num_return_sequences": 0}}},
            422,
            "num_return_sequences=0",
        ),
        (
            "tiny-text",
            {"json": {"inputs": "a", "stream": True, "parameters": {"num_return_sequences": 2}}},
            422,
            "a stream has one text",
        ),
        (
            "tiny-text",
            {"json": {"inputs": "a", "stream": True, "parameters": {"max_new_tokens": 20_001}}},
            422,
            "at most 20,000",
        ),
        ("tiny", {"json": {"inputs": "https://example.com/a.jpg"}}, 422, "URLs are not fetched"),
        ("tiny", {"json": {"inputs": "%"}}, 400, "inputs is not base64"),
        ("tiny", {"json": {"parameters": {}}}, 422, "base64 of a picture is needed"),
        ("tiny", {"json": {"inputs": "", "parameters": {"num_beams": 11}}}, 422, "num_beams=11"),
        ("tiny", {"json": {"inputs": "", "parameters": {"generation_parameters": 1}}}, 422, "an object is needed"),
        ("tiny", {"json": {"inputs": "", "parameters": {"beam_size": 1}}}, 422, "unknown parameter 'beam_size'"),
        (
            "tiny",
            {"json": {"inputs": "", "parameters": {"num_beams": 2, "num_return_sequences": 3}}},
            422,
            "above num_beams=2",
        ),
        ("tiny", {"content": b""}, 400, "empty"),
        ("tiny", {"content": b"%PDF-1"}, 415, "PDF"),
        ("tiny", {"content": b"x" * 20_000_001}, 413, "larger than"),
    ],
)
def test_what_is_wrong_is_told_in_its_shape(
    text_client: httpx2.Client, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    response = text_client.post(f"/models/{path}", **body)
    assert response.status_code == status, response.text
    assert response.json().keys() == {"error", "error_type"}
    assert says in response.json()["error"]


def test_a_failure_in_the_middle_of_a_stream_is_told(serve: Serve, ready: Ready, both_checkpoints: Path) -> None:
    app = create_app(Settings(checkpoints=both_checkpoints, threads=1))
    with serve(app) as client:
        ready(client)
        writer = InferenceClient(model=f"{client.base_url}/models/tiny-text")
        tokens = iter(writer.text_generation("a", stream=True, max_new_tokens=20_000))
        assert next(tokens)
        asyncio.run(worker_of(app, "tiny-text").close())  # as when the time to drain is up
        with pytest.raises(GenerationError, match="the server is shutting down"):
            list(tokens)
