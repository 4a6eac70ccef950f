"""Hugging Face's text-to-speech, asked for with its own client and by hand."""

import io
from typing import Any

import httpx2
import pytest
import soundfile
from huggingface_hub import InferenceClient

from app.tasks.speech.service import planned
from model.tasks.speech.synthesiser import Synthesiser


def test_its_client_gets_a_file(voice_client: httpx2.Client, served_voice: Synthesiser) -> None:
    client = InferenceClient(model=f"{voice_client.base_url}/models/tiny-voice")
    for text, extra in (("hello go on", {}), ("Hello. Go on!", {"voice": "bob", "speed": 2.0})):
        data = client.text_to_speech(text, extra_body=extra)
        info = soundfile.info(io.BytesIO(data))
        speech = planned(served_voice, text, 1 if extra else 0, 2.0 if extra else 1.0)
        assert (info.format, info.frames) == ("FLAC", speech.samples * 24 // 16)


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ({}, 422, "a text of 1 to 4096 characters is needed"),
        ({"inputs": "?"}, 422, "there is nothing to say"),
        ({"inputs": "go", "parameters": {"voice": "carl"}}, 422, "there are ann, bob"),
        ({"inputs": "go", "parameters": {"speed": 9}}, 422, "speed=9"),
        ({"inputs": "go", "parameters": {"do_sample": True}}, 422, "do_sample=True: not supported"),
    ],
)
def test_errors_have_its_shape(voice_client: httpx2.Client, asked: dict[str, Any], status: int, message: str) -> None:
    response = voice_client.post("/models/tiny-voice", json=asked)
    assert response.status_code == status, response.text
    assert message in response.json()["error"]
