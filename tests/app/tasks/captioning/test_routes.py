"""POST /v1/captions as clients meet it: over a socket."""

import base64
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from fastapi import FastAPI
from PIL import Image

from app.main import create_app
from app.settings import Settings
from app.tasks.captioning.parameters import CaptionParameters
from model.checkpoint import save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecoderConfig, DecodingConfig
from model.tasks.captioning.wording import Wording

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
URL = "/v1/captions"


def error(response: httpx2.Response, status: int, code: str, field: str | None = None) -> str:
    """Checks an answer's error, and returns its message."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"error"}
    found = body["error"]
    assert found.keys() == {"code", "message", "request_id"} | ({"field"} if field else set())
    assert (found["code"], found.get("field")) == (code, field)
    assert found["request_id"] == response.headers["x-request-id"]
    return str(found["message"])


def test_every_way_to_send_a_picture_gives_the_captioners_own_caption(
    client: httpx2.Client, encode: Encode, picture: Image.Image, served: Captioner
) -> None:
    data = encode(picture)
    text = base64.b64encode(data).decode()
    (expected,) = served.caption([picture])
    responses = {
        "multipart": client.post(URL, files={"image": ("p.png", data)}),
        "multipart, wrong type": client.post(URL, files={"image": ("p.txt", data, "text/plain")}),
        "multipart, base64": client.post(URL, files={"image": (None, text)}),
        "no type": client.post(URL, content=data),
        "image type": client.post(URL, content=data, headers={"content-type": "image/png"}),
        "wrong image type": client.post(URL, content=data, headers={"content-type": "image/jpeg"}),
        "curl's default type": client.post(
            URL, content=data, headers={"content-type": "application/x-www-form-urlencoded"}
        ),
        "JSON type on a picture": client.post(URL, content=data, headers={"content-type": "application/json"}),
        "JSON, base64": client.post(URL, json={"image": text}),
        "JSON, wrapped base64": client.post(URL, json={"image": base64.encodebytes(data).decode()}),
        "JSON, URL-safe base64": client.post(URL, json={"image": base64.urlsafe_b64encode(data).decode().rstrip("=")}),
        "JSON, data: URI": client.post(URL, json={"image": f"data:image/png;base64,{text}"}),
        "JSON under another type": client.post(URL, content=f'{{"image": "{text}"}}'),
        "form": client.post(URL, data={"image": text}),
        "form, not URL-encoded": client.post(
            URL, content=f"image={text}", headers={"content-type": "application/x-www-form-urlencoded"}
        ),
    }
    for way, response in responses.items():
        assert response.status_code == 200, (way, response.text)
        body = response.json()
        assert [caption["text"] for caption in body["captions"]] == [caption.text for caption in expected], way
        assert body["captions"][0]["logprob"] == pytest.approx(expected[0].logprob, abs=1e-4)
        assert body["image"] == {"width": 96, "height": 64, "format": "PNG"}


def test_the_answer_is_whole(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    response = client.post(URL, files={"image": encode(picture)}, data={"num_captions": 2, "attention": "true"})
    body = response.json()
    assert body.keys() == {"id", "model", "captions", "image", "timing_ms"}
    (card,) = client.get("/v1/models").json()["data"]
    assert body["model"] == {"name": "tiny", "sha256": card["sha256"]}
    timing = body["timing_ms"]
    assert timing.keys() == {"queue", "decode", "encode", "generate", "total"}
    assert 0 < sum(timing.values()) - timing["total"] <= timing["total"] + 0.05
    assert len(body["captions"]) == 2
    for caption in body["captions"]:
        assert caption.keys() == {"text", "logprob", "confidence", "finish_reason", "tokens"}
        assert 0 < caption["confidence"] <= 1
        assert caption["logprob"] <= sum(token["logprob"] for token in caption["tokens"]) + 1e-6
        for token in caption["tokens"]:
            assert len(token["attention"]) == 2  # 64 pixels / 32
            assert math.isclose(sum(map(sum, token["attention"])), 1, abs_tol=1e-4)
    top = client.post(URL, files={"image": encode(picture)}, data={"top_logprobs": 3, "method": "greedy"}).json()
    for token in top["captions"][0]["tokens"]:
        assert [choice.keys() <= {"text", "logprob"} for choice in token["top_logprobs"]] == [True] * 3
        assert token["top_logprobs"][0] == {"text": token["text"], "logprob": pytest.approx(token["logprob"], abs=1e-4)}
    assert client.post(URL, files={"image": encode(picture)}, data={"top_logprobs": 11}).status_code == 422
    plain = client.post(URL, files={"image": encode(picture)}).json()
    assert all("top_logprobs" not in token for token in plain["captions"][0]["tokens"])
    assert all("attention" not in token for token in plain["captions"][0]["tokens"])
    assert plain["id"] != body["id"]


def test_gender_is_left_unsaid_where_it_is_asked_for(
    client: httpx2.Client, encode: Encode, pictures: list[Image.Image]
) -> None:
    said = {}
    for neutral in (False, True):
        answer = client.post(URL, files={"image": encode(pictures[2])}, params={"neutral": neutral}).raise_for_status()
        said[neutral] = answer.json()["captions"][0]["text"].split()
    assert "man" in said[False]
    assert "man" not in said[True]


def test_parameters_work_in_query_form_and_json_alike(
    client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    data = encode(picture)
    text = base64.b64encode(data).decode()
    wanted: dict[str, Any] = {"method": "sample", "num_captions": 3, "seed": 7, "temperature": 2.5, "max_length": 4}
    words = {name: str(value) for name, value in wanted.items()}
    answers = [
        client.post(URL, params=words, content=data),
        client.post(URL, data=words, files={"image": data}),
        client.post(URL, json={"image": text, **wanted}),
        client.post(URL, json={"image": text, **words}),
        client.post(URL, content=urlencode({**words, "image": text})),
        client.post(URL, params={"seed": 7, "method": "sample"}, json={"image": text, **wanted}),
    ]
    captions = [answer.raise_for_status().json()["captions"] for answer in answers]
    assert len(captions[0]) == 3
    assert all(len(caption["tokens"]) <= 4 for caption in captions[0])
    assert captions == captions[:1] * len(captions)


def test_a_default_gives_way_to_what_is_asked_for(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    def ask(**parameters: object) -> list[Any]:
        response = client.post(URL, files={"image": encode(picture)}, data={k: str(v) for k, v in parameters.items()})
        captions: list[Any] = response.raise_for_status().json()["captions"]
        return captions

    assert len(ask(num_captions=5)) == 5  # the default beam is 3
    assert len(ask(beam_size=1)) == 1
    assert ask(method="greedy") == ask(method="beam", beam_size=1)
    assert len(ask(min_length=30)[0]["tokens"]) == 30  # the default max_length is 20
    assert ask(prefix="a dog")[0]["text"].startswith("a dog")
    assert ask(model="tiny", beam_size="") == ask()  # as HTML forms send what was not filled in


@pytest.mark.parametrize(
    ("parameters", "status", "code", "field"),
    [
        ({"beam_size": "99"}, 422, "invalid_parameter", "beam_size"),
        ({"beam_size": "many"}, 422, "invalid_parameter", "beam_size"),
        ({"beam_size": "9" * 5000}, 422, "invalid_parameter", "beam_size"),
        ({"temperature": "0"}, 422, "invalid_parameter", "temperature"),
        ({"temperature": "nan"}, 422, "invalid_parameter", "temperature"),
        ({"method": "guess"}, 422, "invalid_parameter", "method"),
        ({"attention": "perhaps"}, 422, "invalid_parameter", "attention"),
        ({"tree": "perhaps"}, 422, "invalid_parameter", "tree"),
        ({"tree": "true", "method": "sample"}, 422, "invalid_parameter", "tree"),
        ({"tags": "perhaps"}, 422, "invalid_parameter", "tags"),
        ({"tags": "true"}, 422, "invalid_parameter", "tags"),
        ({"format": "html"}, 422, "invalid_parameter", "format"),
        ({"min_confidence": "1.5"}, 422, "invalid_parameter", "min_confidence"),
        ({"min_confidence": "nan"}, 422, "invalid_parameter", "min_confidence"),
        ({"beam_size": "2", "num_captions": "3"}, 422, "invalid_parameter", "num_captions"),
        ({"method": "greedy", "num_captions": "3"}, 422, "invalid_parameter", "num_captions"),
        ({"min_length": "9", "max_length": "3"}, 422, "invalid_parameter", "min_length"),
        ({"prefix": "zyzzyva"}, 422, "invalid_parameter", "prefix"),
        ({"prefix": "a" * 201}, 422, "invalid_parameter", "prefix"),
        ({"beamsize": "3"}, 422, "unknown_parameter", "beamsize"),
        ({"model": "nobody"}, 404, "unknown_model", "model"),
    ],
)
def test_a_bad_parameter_is_named_wherever_it_stands(
    client: httpx2.Client,
    encode: Encode,
    picture: Image.Image,
    parameters: dict[str, str],
    status: int,
    code: str,
    field: str,
) -> None:
    data = encode(picture)
    text = base64.b64encode(data).decode()
    messages = {
        error(client.post(URL, params=parameters, content=data), status, code, field),
        error(client.post(URL, data=parameters, files={"image": data}), status, code, field),
        error(client.post(URL, json={"image": text, **parameters}), status, code, field),
    }
    (message,) = messages
    assert len(message) < 400
    if code == "unknown_model":
        assert "tiny" in message
    if field == "beamsize":
        assert "beam_size" in message


def test_the_tree_of_a_search_leads_to_its_captions(
    client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    parameters: dict[str, Any] = {"tree": "true", "beam_size": 4, "num_captions": 2}
    body = client.post(URL, params=parameters, content=encode(picture)).raise_for_status().json()
    steps, captions = body["tree"]["steps"], body["tree"]["captions"]
    assert all(1 <= len(step) <= 4 for step in steps)
    for place, caption in zip(captions, body["captions"], strict=True):
        assert steps[-1][place]["logprob"] == pytest.approx(caption["logprob"], abs=1e-4)
        words = []
        for step in reversed(steps):
            node = step[place]
            assert node["kept"]
            words += [node["text"]] if "text" in node else []
            place = node.get("parent")
        assert place is None
        assert words[::-1] == [token["text"] for token in caption["tokens"]]
    assert any(not node["kept"] for step in steps for node in step)
    greedy = client.post(URL, params={"tree": "true", "method": "greedy"}, content=encode(picture)).json()
    assert [len(step) for step in greedy["tree"]["steps"]] == [1] * len(greedy["tree"]["steps"])
    assert "tree" not in client.post(URL, content=encode(picture)).json()


def test_a_captioner_that_sees_the_picture_as_a_whole_has_no_attention_to_show(
    serve: Serve, ready: Ready, tiny_captioner: Captioner, encode: Encode, picture: Image.Image, tmp_path: Path
) -> None:
    decoder = DecoderConfig(kind="show-and-tell", embedding_size=16, hidden_size=16)
    config = tiny_captioner.config.model_copy(update={"decoder": decoder})
    save(
        tmp_path / "whole",
        CAPTIONING,
        Captioner(config, tiny_captioner.vocabulary),
        name="whole",
        metrics={},
        card="# whole\n",
    )
    with serve(create_app(Settings(checkpoints=tmp_path, threads=1))) as client:
        ready(client)
        response = client.post(URL, params={"attention": "true"}, content=encode(picture))
        assert "whole sees the picture as a whole" in error(response, 422, "invalid_parameter", "attention")
        assert client.post(URL, content=encode(picture)).status_code == 200


@pytest.mark.parametrize(("name", "off"), [("mention", "1"), ("people", "0")])
def test_captioner_without_tags_has_none_to_go_by(
    name: str, off: str, client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    response = client.post(URL, params={name: "0.5"}, content=encode(picture))
    assert f"{name}=0.5: this captioner has no tags to go by" in error(response, 422, "invalid_parameter", name)
    assert client.post(URL, params={name: off}, content=encode(picture)).status_code == 200


def test_one_name_with_two_values_is_refused(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    data = encode(picture)
    text = base64.b64encode(data).decode()
    code = "conflicting_parameter"
    message = error(client.post(URL, params={"seed": 1}, json={"image": text, "seed": 2}), 422, code, "seed")
    assert "1" in message
    assert "2" in message
    error(client.post(f"{URL}?seed=1&seed=2", content=data), 422, code, "seed")
    error(client.post(URL, params={"seed": 1}, files={"image": data}, data={"seed": "2"}), 422, code, "seed")


def test_ranges_in_the_documentation_are_the_ranges_that_hold(
    client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"][URL]["post"]
    query = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    assert (
        query.keys()
        == {"model", "attention", "top_logprobs", "tree", "tags", *Wording.model_fields, *DecodingConfig.model_fields}
        == CaptionParameters.model_fields.keys()
    )
    bodies = operation["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "application/octet-stream"} <= bodies.keys()
    for kind in ("multipart/form-data", "application/json"):
        assert bodies[kind]["schema"]["properties"].keys() == {"image", *query}
    assert {"200", "400", "401", "404", "408", "413", "415", "422", "429", "500", "503", "504"} == operation[
        "responses"
    ].keys()
    assert client.post(URL, json=bodies["application/json"]["example"]).status_code == 200
    data = encode(picture)
    bounded = {name: schema for name, schema in query.items() if "maximum" in schema}
    assert len(bounded) == 14
    for name, schema in bounded.items():
        taken = 0 if name == "people" else schema["maximum"]  # more needs a tagger
        assert client.post(URL, params={name: taken}, content=data).status_code == 200, name
        error(client.post(URL, params={name: schema["maximum"] + 1}, content=data), 422, "invalid_parameter", name)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"content": b"{"}, 400, "bad_json", None),
        ({"content": b"[1]", "headers": {"content-type": "application/json"}}, 400, "bad_json", None),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 400, "bad_json", None),
        ({"content": b'{"image": ' + b"9" * 5000 + b"}"}, 400, "bad_json", None),
        ({"content": b'{"image": 7}'}, 422, "invalid_parameter", "image"),
        ({"json": {"image": "%%%"}}, 400, "bad_base64", "image"),
        ({"json": {"image": "data:image/png"}}, 400, "bad_base64", "image"),
        ({"json": {"image": "data:image/png;base64,%%"}}, 400, "bad_base64", "image"),
        ({"json": {"image": "aGVsbG8="}}, 400, "not_an_image", "image"),
        ({"json": {"image": ""}}, 400, "empty_image", "image"),
        ({"json": {"image": None}}, 422, "missing_image", "image"),
        ({"json": {"image": ["a"]}}, 422, "invalid_parameter", "image"),
        ({"json": {}}, 422, "missing_image", "image"),
        ({"json": {"image": "https://example.com/a.jpg"}}, 422, "url_not_fetched", "image"),
        ({"json": {"image": "file:///etc/passwd"}}, 422, "url_not_fetched", "image"),
        ({"data": {"image": "http://169.254.169.254/"}}, 422, "url_not_fetched", "image"),
        ({"json": {"image": "", "prefix": {"$ne": 1}}}, 422, "invalid_parameter", "prefix"),
        ({"json": {"image": "", "prefix": 7}}, 422, "invalid_parameter", "prefix"),
        ({"json": {"image": "", "beam_size": True}}, 422, "invalid_parameter", "beam_size"),
        ({"json": {"image": "", "attention": 1}}, 422, "invalid_parameter", "attention"),
        ({"files": {"picture": b"x"}}, 422, "unknown_parameter", "picture"),
        ({"files": {"seed": b"1"}}, 422, "unknown_parameter", "seed"),
        ({"files": {"image": b""}}, 400, "empty_image", "image"),
        ({"files": [("image", b"x"), ("image", b"y")]}, 422, "too_many_images", "image"),
        ({"files": {"seed": (None, "1")}}, 422, "missing_image", "image"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "bad_form", None),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "bad_form", None),
        ({"content": b"", "headers": {"content-type": "application/json"}}, 400, "empty_image", "image"),
        ({"params": {"image": "x"}}, 422, "unknown_parameter", "image"),
    ],
)
def test_a_body_that_holds_no_picture_is_told_so(
    client: httpx2.Client, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    error(client.post(URL, **body), status, code, field)
