"""PhotoPrism's vision service, by the requests of its Go client."""

import base64
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from PIL import Image

from model.tasks.captioning.captioner import Captioner

URL = "/api/v1/vision/caption"
GIF = "data:image/gif;base64,R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs="


@pytest.fixture
def uri(encode: Callable[..., bytes], picture: Image.Image) -> str:
    """A picture as a data: URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(encode(picture)).decode()}"


def test_its_client_gets_a_caption_and_a_confidence(
    client: httpx2.Client, served: Captioner, picture: Image.Image, uri: str
) -> None:
    """The request of internal/ai/vision/api_request.go of photoprism/photoprism in its own format, `vision`."""
    body = {
        "id": "dc2b9c2d-3b5f-4d4f-8d67-0a5a3f1d1b5e",
        "model": "tiny",
        "version": "latest",
        "prompt": "Create a caption with exactly one sentence in the active voice.",
        "suffix": "",
        "options": {"temperature": 0.1},
        "stream": False,
        "images": [uri],
    }
    headers = {"content-type": "application/json; charset=utf-8", "authorization": "Bearer any"}
    answer = client.post(URL, json=body, headers=headers).raise_for_status().json()
    ((caption,),) = served.caption([picture])
    assert answer["id"] == body["id"]
    assert answer["code"] == 200
    assert answer["model"]["name"] == "tiny"
    assert answer["result"]["caption"]["text"] == caption.text
    assert answer["result"]["caption"]["confidence"] == pytest.approx(caption.confidence, abs=1e-3)
    assert answer["result"]["caption"]["source"] == "image"


def test_no_id_and_no_model_are_needed(client: httpx2.Client, uri: str) -> None:
    first, second = (client.post(URL, json={"images": [uri]}).raise_for_status().json() for _ in range(2))
    assert first["result"] == second["result"]
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 400, "there is no picture; send it as"),
        ({"images": [GIF, GIF]}, 400, "there are 2 pictures"),
        ({"images": "x"}, 400, "a list of data: URIs is needed"),
        ({"images": ["data:image/png;base64,aGVsbG8="]}, 400, "not a picture"),
        ({"url": "https://example.com/cat.jpg"}, 400, "URLs are not fetched"),
        ({"images": [GIF], "model": "kosmos-2"}, 404, "there is no model 'kosmos-2'; there is tiny"),
        ({"images": [GIF], "options": {"beam_size": 0}}, 400, "beam_size=0"),
    ],
)
def test_what_is_wrong_is_told_in_photoprisms_shape(
    client: httpx2.Client, body: dict[str, Any], status: int, says: str
) -> None:
    response = client.post(URL, json=body)
    assert response.status_code == status, response.text
    assert response.json().keys() == {"code", "error"}
    assert response.json()["code"] == status
    assert says in response.json()["error"]
