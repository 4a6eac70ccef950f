"""tags=true, over a socket: the things in a picture beside its captions."""

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from app.main import create_app
from app.settings import Settings
from model.openvino.runtime import Runtime
from model.tasks.captioning.captioner import Captioner
from tests.app.conftest import worker_of
from tests.conftest import NOUNS

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[..., AbstractContextManager[httpx2.Client]]


def seen(served: Captioner, picture: Image.Image, **options: bool) -> list[dict[str, Any]]:
    """The tags that the captioner itself tells, in torch."""
    grid = served.encode(served.preprocess(picture)[None])  # (1, P, E)
    (tags,) = served.tag(grid, **options)
    return [{"name": tag.name, "confidence": pytest.approx(tag.confidence, abs=1e-3)} for tag in tags]


def test_tags_are_the_captioners_own_in_query_form_and_json(
    tagged_client: httpx2.Client, served_tagged: Captioner, encode: Encode, pictures: list[Image.Image]
) -> None:
    data = encode(pictures[2])
    text = base64.b64encode(data).decode()
    answers = [
        tagged_client.post("/v1/captions", params={"tags": "true"}, content=data),
        tagged_client.post("/v1/captions", data={"tags": "true"}, files={"image": data}),
        tagged_client.post("/v1/captions", json={"image": text, "tags": True}),
    ]
    expected = seen(served_tagged, pictures[2])
    assert [tag["name"] for tag in expected[:3]] == ["man", "rock", "shirt"]
    for answer in answers:
        body = answer.raise_for_status().json()
        assert body["tags"] == expected
        assert body["captions"][0]["text"] == "a man in a red shirt climbs a rock"
        assert body["captions"][0].keys() == {"text", "logprob", "confidence", "finish_reason", "tokens"}
    for parameters in ({}, {"tags": "false"}):
        assert "tags" not in tagged_client.post("/v1/captions", params=parameters, content=data).json()


def test_few_tags_are_told_and_none_that_is_unlikely(
    tagged_client: httpx2.Client, encode: Encode, pictures: list[Image.Image]
) -> None:
    for picture in pictures:
        tags = tagged_client.post("/v1/captions", params={"tags": "true"}, content=encode(picture)).json()["tags"]
        shares = [tag["confidence"] for tag in tags]
        assert 1 <= len(tags) <= 5 < len(NOUNS)
        assert all(share >= 0.1 for share in shares)
        assert shares == sorted(shares, reverse=True)


def test_neutral_tags_name_no_gender(
    tagged_client: httpx2.Client, served_tagged: Captioner, encode: Encode, pictures: list[Image.Image]
) -> None:
    asked = {"tags": "true", "neutral": "true"}
    tags = tagged_client.post("/v1/captions", params=asked, content=encode(pictures[2])).json()["tags"]
    assert tags == seen(served_tagged, pictures[2], neutral=True)
    assert "person" in [tag["name"] for tag in tags]
    assert not {"man", "woman"} & {tag["name"] for tag in tags}


def test_each_picture_of_a_batch_has_its_own_tags(
    tagged_client: httpx2.Client, served_tagged: Captioner, encode: Encode, pictures: list[Image.Image]
) -> None:
    files = [("image", encode(picture)) for picture in pictures]
    answer = tagged_client.post("/v1/captions/batch", files=[*files, ("image", b"no picture")], data={"tags": "true"})
    *results, bad = answer.json()["results"]
    assert [result["tags"] for result in results] == [seen(served_tagged, picture) for picture in pictures]
    assert bad["error"]["code"] == "not_an_image"


def test_stream_ends_with_tags(tagged_client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    told = tagged_client.post("/v1/captions/stream", params={"tags": "true"}, content=encode(picture)).text
    events = [block.split("\n") for block in told.split("\n\n")[:-1]]
    assert [name for name, _ in events] == ["event: image", *["event: token"] * 8, "event: caption"]
    last = json.loads(events[-1][1].removeprefix("data: "))
    assert [tag["name"] for tag in last["tags"][:2]] == ["grass", "dog"]


@pytest.mark.parametrize("route", ["/v1/captions", "/v1/captions/batch", "/v1/captions/stream"])
def test_captioner_without_a_tagger_says_so(
    client: httpx2.Client, encode: Encode, picture: Image.Image, route: str
) -> None:
    answer = client.post(route, params={"tags": "true"}, content=encode(picture))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (422, "invalid_parameter", "tags")
    assert "tiny has no tagger" in error["message"]
    assert client.post(route, params={"tags": "false"}, content=encode(picture)).status_code == 200


def test_cards_tell_which_models_have_tags(client: httpx2.Client, tagged_client: httpx2.Client) -> None:
    assert [card["tags"] for card in client.get("/v1/models").json()["data"]] == [False]
    assert tagged_client.get("/v1/models/tagged").json()["tags"] is True


@pytest.mark.skipif(not Runtime.available(), reason="OpenVINO is not installed")
def test_captioner_with_a_tagger_has_lanes(
    serve: Serve, ready: Ready, tagged_checkpoints: Path, encode: Encode, pictures: list[Image.Image]
) -> None:
    app = create_app(Settings(checkpoints=tagged_checkpoints, threads=2, runtime="openvino"))
    with serve(app) as client:
        ready(client)
        assert worker_of(app, "tagged").open_lanes() > 1
        files = [("image", encode(picture)) for picture in pictures * 6]
        results = client.post("/v1/captions/batch", files=files, data={"tags": "true"}).json()["results"]
    firsts = [result["tags"][0]["name"] for result in results]
    assert firsts == firsts[:5] * 6
