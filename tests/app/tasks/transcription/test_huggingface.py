"""Hugging Face's automatic-speech-recognition, asked for with its client, as it comes."""

import base64
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from model.tasks.transcription.recogniser import Transcript


@pytest.fixture
def client(speech_client: httpx2.Client) -> InferenceClient:
    return InferenceClient(model=f"{speech_client.base_url}/models/tiny-speech")


def test_its_client_reads_the_text(client: InferenceClient, long: bytes, expected: Transcript, tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    file.write_bytes(long)
    for sent in (long, str(file)):
        found = client.automatic_speech_recognition(sent)
        assert (found.text, found.chunks) == (expected.text, None)


def test_its_client_reads_times(client: InferenceClient, long: bytes, expected: Transcript) -> None:
    found = client.automatic_speech_recognition(long, extra_body={"return_timestamps": "word"})
    assert found.chunks
    assert [chunk.text for chunk in found.chunks] == [word.text for word in expected.words]
    assert found.chunks[0].timestamp == pytest.approx([expected.words[0].begin, expected.words[0].end], abs=0.03)
    found = client.automatic_speech_recognition(long, extra_body={"return_timestamps": True})
    assert found.chunks
    assert [chunk.text for chunk in found.chunks] == [part.text for part in expected.segments if part.words]


def test_errors_have_its_shape(speech_client: httpx2.Client, client: InferenceClient) -> None:
    for body, status, message in (
        ({"inputs": base64.b64encode(b"hello").decode()}, 415, "no recording that is read"),
        ({"inputs": "!"}, 400, "inputs is not base64"),
        ({"inputs": 3}, 422, "base64 of a recording is needed"),
        ({"inputs": "", "parameters": {"return_timestamps": "letter"}}, 422, "return_timestamps='letter'"),
        ({"inputs": "", "parameters": {"do_sample": True}}, 422, "do_sample=True: not supported"),
    ):
        response = speech_client.post("/models/tiny-speech", json=body)
        assert response.status_code == status, response.text
        assert message in response.json()["error"]
    with pytest.raises(HfHubHTTPError, match="415"):
        client.automatic_speech_recognition(b"hello")
