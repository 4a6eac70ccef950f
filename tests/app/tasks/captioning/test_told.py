"""format and min_confidence, over a socket: alternative text, and silence rather than nonsense, in every contract."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from app.main import create_app
from app.settings import Settings
from model.tasks.captioning.captioner import Captioner

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[..., AbstractContextManager[httpx2.Client]]
SENTENCE = "a brown dog runs through the green grass"
CONFIDENCE = 0.848
"""The confidence in `SENTENCE`, to three places."""


@pytest.fixture(scope="module")
def cautious(serve: Serve, ready: Ready, tagged_checkpoints: Path) -> Iterator[httpx2.Client]:
    """A client of a server whose operator wants no caption below 0.9."""
    with serve(create_app(Settings(checkpoints=tagged_checkpoints, threads=1, min_confidence=0.9))) as client:
        ready(client)
        yield client


def told(client: httpx2.Client, data: bytes, **parameters: Any) -> dict[str, Any]:
    """The best caption."""
    answer = client.post("/v1/captions", params=parameters, content=data)
    caption: dict[str, Any] = answer.raise_for_status().json()["captions"][0]
    return caption


def withheld(client: httpx2.Client) -> float:
    """Pictures whose caption the server has withheld."""
    found = re.search(r'^recap_captions_withheld_total\{model="tagged"\} (\S+)$', client.get("/metrics").text, re.M)
    assert found
    return float(found[1])


def test_alternative_text_is_asked_for_in_query_form_and_json(
    client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    data = encode(picture)
    answers = [
        client.post("/v1/captions", params={"format": "alt"}, content=data),
        client.post("/v1/captions", data={"format": "alt"}, files={"image": data}),
        client.post("/v1/captions", json={"image": base64.b64encode(data).decode(), "format": "alt"}),
    ]
    for answer in answers:
        (caption,) = answer.json()["captions"]
        assert caption["text"] == SENTENCE.capitalize()
        assert caption["original"] == SENTENCE
        assert "needs_review" not in caption
        assert caption["tokens"][0]["text"] == "a"
    assert told(client, data, prefix="a dog")["text"].startswith("a dog")
    assert told(client, data, format="caption").keys().isdisjoint({"original", "needs_review"})


def test_unsure_caption_is_withheld_and_nothing_is_lost(
    client: httpx2.Client, tagged_client: httpx2.Client, served: Captioner, encode: Encode, picture: Image.Image
) -> None:
    ((caption,),) = served.caption([picture])
    assert caption.confidence == pytest.approx(CONFIDENCE, abs=2e-3)
    data = encode(picture)
    for asked in (client, tagged_client):
        assert told(asked, data, min_confidence=CONFIDENCE - 0.01)["text"] == SENTENCE
    without, cut = (told(asked, data, min_confidence=0.9) for asked in (client, tagged_client))
    assert (without["text"], cut["text"]) == ("", "grass, dog")  # person, of 0.46, is not sure enough
    for answer in (without, cut, alt := told(tagged_client, data, min_confidence=0.9, format="alt")):
        assert answer["original"] == SENTENCE
        assert answer["needs_review"] is True
        assert " ".join(token["text"] for token in answer["tokens"]) == SENTENCE
    assert alt["text"] == ""


def test_each_caption_is_judged_by_its_own_confidence(
    client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    answer = client.post("/v1/captions", params={"num_captions": 3, "min_confidence": 0.8}, content=encode(picture))
    captions = answer.json()["captions"]
    assert ["needs_review" in caption for caption in captions] == [caption["confidence"] < 0.8 for caption in captions]
    assert [bool(caption["text"]) for caption in captions] == [True, False, False]


def test_withheld_captions_have_neutral_tags(
    tagged_client: httpx2.Client, encode: Encode, pictures: list[Image.Image]
) -> None:
    data = encode(pictures[2])
    assert told(tagged_client, data, min_confidence=0.95)["text"] == "man, rock, shirt"
    assert "man" not in told(tagged_client, data, min_confidence=0.95, neutral=True)["text"]


def test_operators_threshold_holds_where_a_request_has_none(
    cautious: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    data = encode(picture)
    before = withheld(cautious)
    assert told(cautious, data)["text"] == "grass, dog"
    assert told(cautious, data, min_confidence=0)["text"] == SENTENCE
    assert withheld(cautious) == before + 1
    (result,) = cautious.post("/v1/captions/batch", files=[("image", data)]).json()["results"]
    assert result["captions"][0]["needs_review"] is True


def test_withheld_words_do_not_leak_from_a_stream(
    cautious: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    def events(**parameters: Any) -> list[str]:
        answer = cautious.post("/v1/captions/stream", params=parameters, content=encode(picture))
        return [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]

    assert events() == events(method="greedy") == ["image", "caption"]
    assert events(min_confidence=0) == ["image", *["token"] * 8, "caption"]


def test_threshold_holds_in_other_contracts(
    cautious: httpx2.Client, encode: Encode, picture: Image.Image, pictures: list[Image.Image]
) -> None:
    data = encode(picture)
    (found,) = cautious.post("/models/tagged", content=data).json()
    assert found == {"generated_text": "grass, dog"}
    predictions = cautious.post("/model/predict", files={"image": data}).json()["predictions"]
    assert predictions[0]["caption"] == "grass, dog"
    sure = cautious.post("/models/tagged", content=encode(pictures[1])).json()
    assert sure == [{"generated_text": "two children are playing in the water near the beach"}]


def test_chat_refuses_to_say_what_is_unsure(
    cautious: httpx2.Client, encode: Encode, picture: Image.Image, pictures: list[Image.Image]
) -> None:
    def ask(image: Image.Image, **extra: Any) -> Any:
        uri = f"data:image/png;base64,{base64.b64encode(encode(image)).decode()}"
        messages: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
        stream = extra.pop("stream", False)
        return api.chat.completions.create(model="tagged", messages=messages, stream=stream, extra_body=extra)

    with openai.OpenAI(base_url=f"{cautious.base_url}/v1", api_key="none", max_retries=0) as api:
        unsure = ask(picture, format="alt").choices[0].message
        assert (unsure.content, unsure.refusal) == (
            "",
            "needs review: the caption is not sure enough, with a confidence of 0.85",
        )
        sure = ask(pictures[1], format="alt").choices[0].message
        assert (sure.content, sure.refusal) == ("Two children are playing in the water near the beach", None)
        assert ask(picture, min_confidence=0).choices[0].message.content == SENTENCE
        deltas = [chunk.choices[0].delta for chunk in ask(picture, stream=True)]
        assert "".join(delta.content or "" for delta in deltas) == "grass, dog"
        assert [delta.refusal for delta in deltas if delta.refusal] == [unsure.refusal]
        alt = [chunk.choices[0].delta for chunk in ask(pictures[1], stream=True, format="alt")]
        assert "".join(delta.content or "" for delta in alt) == sure.content
        assert not any(delta.refusal for delta in alt)


def test_answers_fit_the_documentation(client: httpx2.Client) -> None:
    schemas = json.loads(client.get("/openapi.json").text)["components"]["schemas"]
    assert schemas["Caption"]["properties"].keys() >= {"original", "needs_review"}
    assert "needs_review" not in schemas["Caption"]["required"]
    assert "tags" not in schemas["CaptionResponse"]["required"]
