"""POST /model/predict and GET /model/metadata, asked for as MAX's web app asks."""

import math
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import requests
from PIL import Image

from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecodingConfig

Encode = Callable[..., bytes]


def test_its_web_app_gets_three_captions(
    client: httpx2.Client, served: Captioner, picture: Image.Image, tmp_path: Path
) -> None:
    endpoint = f"{client.base_url}/model/predict"
    picture.save(tmp_path / "MAX-upload.png")
    requests.get(endpoint, timeout=20)  # whether anybody is there
    with (tmp_path / "MAX-upload.png").open("rb") as file:
        answer = requests.post(url=endpoint, files={"image": file}, timeout=20).json()
    assert answer["status"] == "ok"
    config = DecodingConfig.model_validate(served.config.decoding.model_dump() | {"num_captions": 3})
    (captions,) = served.caption([picture], config)
    assert [prediction["index"] for prediction in answer["predictions"]] == ["0", "1", "2"]
    assert [prediction["caption"] for prediction in answer["predictions"]] == [caption.text for caption in captions]
    assert [prediction["probability"] for prediction in answer["predictions"]] == pytest.approx(
        [math.exp(caption.logprob) for caption in captions], rel=1e-3
    )


def test_metadata_has_what_max_tells(client: httpx2.Client) -> None:
    about = client.get("/model/metadata").json()
    assert about.keys() == {"id", "name", "description", "type", "license", "source"}
    assert about["id"] == "tiny"
    assert client.get(about["source"]).json()["id"] == "tiny"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"files": {"image": b"x"}}, "not a picture"),
        ({"files": {"image": b"%PDF-1.4"}}, "this is a PDF document"),
        ({"files": {"picture": b"x"}}, "belongs in 'image'"),
        ({"data": {"image": "http://example.com/a.jpg"}}, "URLs are not fetched"),
    ],
)
def test_errors_are_those_of_max(client: httpx2.Client, body: dict[str, object], says: str) -> None:
    response = client.post("/model/predict", **body)  # type: ignore[arg-type]
    assert response.status_code == 400
    assert response.json().keys() == {"status", "message"}
    assert response.json()["status"] == "error"
    assert says in response.json()["message"]
    assert response.headers["x-request-id"]
