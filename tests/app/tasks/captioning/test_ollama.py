"""Ollama's API, by its Python client as it comes and by requests as programs send them."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import ollama
import pytest
from PIL import Image

from model.checkpoint import WEIGHTS
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecodingConfig

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def its_client(text_client: httpx2.Client) -> Iterator[ollama.Client]:
    """Ollama's client, as it comes, but for its address."""
    with ollama.Client(host=str(text_client.base_url)) as client:
        yield client


@pytest.fixture
def data(encode: Encode, picture: Image.Image) -> bytes:
    return encode(picture)


@pytest.fixture
def image(data: bytes) -> str:
    """The picture in base64."""
    return base64.b64encode(data).decode()


def expected(served: Captioner, picture: Image.Image, **decoding: Any) -> str:
    config = DecodingConfig.model_validate({**served.config.decoding.model_dump(), **decoding})
    return served.caption([picture], config)[0][0].text


def test_its_client_generates(its_client: ollama.Client, served: Captioner, picture: Image.Image, data: bytes) -> None:
    answer = its_client.generate("tiny", "Describe this image.", images=[data], logprobs=True)
    ((caption,),) = served.caption([picture])
    assert (answer.response, answer.done, answer.done_reason, answer.model) == (caption.text, True, "stop", "tiny")
    assert answer.eval_count == len(caption.tokens)
    assert answer.total_duration
    assert answer.logprobs
    assert [word.token for word in answer.logprobs] == [word.text for word in caption.tokens]
    assert answer.logprobs[0].logprob == pytest.approx(caption.tokens[0].logprob, abs=1e-4)


def test_its_client_reads_a_stream(
    its_client: ollama.Client, served: Captioner, picture: Image.Image, data: bytes
) -> None:
    parts = list(its_client.generate("tiny", "Describe this image.", images=[data], stream=True))
    assert "".join(part.response or "" for part in parts) == expected(served, picture)
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].eval_count == len(parts) - 1
    messages: list[dict[str, Any]] = [{"role": "user", "content": "What is this?", "images": [data]}]
    chat = list(its_client.chat("tiny", messages, stream=True, options={"num_ctx": 8192}, keep_alive=-1))
    assert "".join(part.message.content or "" for part in chat) == expected(served, picture)
    assert {part.message.role for part in chat} == {"assistant"}


def test_its_client_chats_about_the_latest_picture(
    its_client: ollama.Client, served: Captioner, pictures: list[Image.Image], encode: Encode
) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Describe pictures."},
        {"role": "user", "content": "What is this?", "images": [encode(pictures[0])]},
        {"role": "assistant", "content": "a dog"},
        {"role": "user", "content": "And this?", "images": [encode(pictures[1])]},
        {"role": "assistant", "content": "a cat"},
        {"role": "user", "content": "Really?"},
    ]
    assert its_client.chat("tiny:latest", messages).message.content == expected(served, pictures[1])


def test_its_client_lists_and_shows_captioners(its_client: ollama.Client, both_checkpoints: Path) -> None:
    (model,) = its_client.list().models  # a language model is no captioner
    assert (model.model, model.size) == ("tiny:latest", (both_checkpoints / "tiny" / WEIGHTS).stat().st_size)
    assert model.digest
    assert model.modified_at
    shown = its_client.show("tiny:latest")
    assert shown.capabilities == ["completion", "vision"]
    assert "beam_size 3" in (shown.parameters or "").splitlines()
    assert shown.modelinfo
    assert shown.modelinfo["general.parameter_count"] > 1000
    assert [loaded.model for loaded in its_client.ps().models] == ["tiny:latest"]


def test_its_client_understands_what_goes_wrong(its_client: ollama.Client, data: bytes) -> None:
    with pytest.raises(ollama.ResponseError, match="there is no model 'llava'; there is tiny") as missing:
        its_client.generate("llava", images=[data])
    assert missing.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="tiny-text is a language model, a captioner is needed"):
        list(its_client.generate("tiny-text", images=[data], stream=True))
    with pytest.raises(ollama.ResponseError, match="a captioner can't chat; send base64 of one"):
        its_client.generate("tiny", "Why is the sky blue?")
    with pytest.raises(ollama.ResponseError, match="not a picture") as damaged:
        its_client.generate("tiny", images=[b"hello"])
    assert damaged.value.status_code == 400


def test_temperature_and_its_kin_matter_only_where_words_are_drawn(
    its_client: ollama.Client, served: Captioner, picture: Image.Image, data: bytes
) -> None:
    for temperature in (0, 0.1, 0.8):
        options = {"temperature": temperature, "top_k": 40, "top_p": 0.0, "seed": 7, "num_predict": -1, "mirostat": 0}
        assert its_client.generate("tiny", images=[data], options=options).response == expected(served, picture)
    drawn = {"temperature": 1.5, "seed": 3, "top_k": 40}
    answer = its_client.generate("tiny", images=[data], options=drawn)
    assert answer.response == expected(served, picture, method="sample", **drawn)


def test_options_may_be_parameters_of_captions(
    its_client: ollama.Client, served: Captioner, picture: Image.Image, data: bytes
) -> None:
    prefixed = its_client.generate("tiny", images=[data], options={"prefix": "two children", "beam_size": 5})
    assert prefixed.response == expected(served, picture, prefix="two children", beam_size=5)
    short = its_client.generate("tiny", images=[data], options={"num_predict": 2})
    assert (len((short.response or "").split()), short.done_reason) == (2, "length")
    alt = its_client.generate("tiny", images=[data], options={"format": "alt"})
    assert (alt.response or "")[0].isupper()


def test_a_withheld_caption_is_marked(text_client: httpx2.Client, image: str) -> None:
    body = {"model": "tiny", "images": [image], "stream": False, "options": {"min_confidence": 1, "format": "alt"}}
    answer = text_client.post("/api/generate", json=body).raise_for_status().json()
    assert (answer["response"], answer["needs_review"], answer["done_reason"]) == ("", True, "stop")
    assert 0 <= answer["confidence"] < 1


def test_a_stream_is_an_object_a_line_and_the_default(text_client: httpx2.Client, image: str) -> None:
    body = {"model": "tiny", "images": [image], "prompt": "Describe this."}
    response = text_client.post("/api/generate", json=body).raise_for_status()
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert all(line["done"] is False and "eval_count" not in line for line in lines[:-1])
    assert lines[-1]["done"] is True
    assert lines[-1]["confidence"] > 0


@pytest.mark.parametrize(("path", "told"), [("generate", {"response": ""}), ("chat", {})])
def test_a_request_without_anything_says_that_the_model_is_loaded(
    text_client: httpx2.Client, path: str, told: dict[str, str]
) -> None:
    for stream in (True, False):
        answer = text_client.post(f"/api/{path}", json={"model": "tiny", "stream": stream}).raise_for_status().json()
        assert (answer["done"], answer["done_reason"]) == (True, "load")
        assert answer.items() >= told.items()


def test_photoprism_gets_a_caption_by_ollamas_api(
    text_client: httpx2.Client, served: Captioner, picture: Image.Image, image: str
) -> None:
    """The request of internal/ai/vision/api_request.go of photoprism/photoprism, with the engine `ollama`."""
    body = {
        "id": "dc2b9c2d-3b5f-4d4f-8d67-0a5a3f1d1b5e",
        "model": "tiny:latest",
        "prompt": "Create a caption with exactly one sentence in the active voice.",
        "suffix": "",
        "options": {"temperature": 0.1},
        "stream": False,
        "images": [image],
    }
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = text_client.post("/api/generate", json=body, headers=headers).raise_for_status().json()
    assert (answer["model"], answer["response"]) == ("tiny:latest", expected(served, picture))


GIF = "R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs="


ONE = {"model": "tiny", "images": [GIF]}


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("generate", {}, 400, "model=None: the name of a captioner is needed"),
        ("generate", {"model": "tiny", "images": [GIF, GIF]}, 400, "there are 2 pictures"),
        ("generate", {"model": "tiny", "images": GIF}, 400, "images"),
        ("generate", {"model": "tiny", "images": ["%"]}, 400, "not base64"),
        ("generate", {**ONE, "format": "json"}, 400, "a caption is plain text"),
        ("generate", {**ONE, "options": {"beam_size": 11}}, 400, "beam_size=11"),
        ("generate", {**ONE, "options": []}, 400, "an object is needed"),
        ("generate", {**ONE, "options": {"min_length": 9, "num_predict": 3}}, 400, "num_p"),
        ("chat", {"model": "tiny", "messages": [{"role": "user"}]}, 400, "can't chat"),
        ("chat", {"model": "tiny", "messages": [{"role": "user", "images": [1]}]}, 400, "a list of base64"),
        ("chat", {"model": "tiny", "messages": [{"role": "user", "images": [GIF] * 3}]}, 400, "there are 3 pictures"),
        ("chat", {"model": "tiny", "messages": [{"role": "user", "images": [GIF]}], "tools": [{}]}, 400, "no tools"),
        ("show", {}, 400, "the name of a captioner"),
        ("show", {"name": "nobody"}, 404, "there is no model 'nobody'"),
    ],
)
def test_what_is_wrong_is_told_in_ollamas_shape(
    text_client: httpx2.Client, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    response = text_client.post(f"/api/{path}", json=body)
    assert response.status_code == status, response.text
    assert response.json().keys() == {"error"}
    assert says in response.json()["error"]


def test_a_path_that_is_not_there_is_refused_in_ollamas_shape(text_client: httpx2.Client) -> None:
    response = text_client.post("/api/pull", json={"model": "tiny"})
    assert (response.status_code, response.json().keys()) == (404, {"error"})


def test_the_version_is_one_that_clients_can_compare(text_client: httpx2.Client) -> None:
    version = text_client.get("/api/version").raise_for_status().json()["version"]
    assert tuple(map(int, version.split("."))) > (0, 12, 11)  # from which on Ollama has logprobs
