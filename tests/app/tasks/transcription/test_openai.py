"""POST /v1/audio/transcriptions, asked for with OpenAI's client and by hand."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import openai
import pytest

from model.tasks.transcription.recogniser import SECONDS, Transcript
from tests.recordings import recording

PATH = "/v1/audio/transcriptions"


@pytest.fixture
def client(speech_client: httpx2.Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{speech_client.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_its_client_reads_every_format(client: openai.OpenAI, long: bytes, expected: Transcript) -> None:
    file = ("long.wav", long)
    create: Any = client.audio.transcriptions.create
    assert create(model="tiny-speech", file=file).text == expected.text
    assert create(model="whisper-1", file=file, response_format="text") == f"{expected.text}\n"
    found = create(model="tiny-speech", file=file, response_format="verbose_json", timestamp_granularities=["word"])
    assert (found.text, found.language, found.duration) == (expected.text, "english", 30.0)
    assert [word.word for word in found.words] == [word.text for word in expected.words]
    assert [word.start for word in found.words] == pytest.approx([word.begin for word in expected.words], abs=0.03)
    assert found.segments is None
    both = create(
        model="tiny-speech", file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    spoken = [segment for segment in expected.segments if segment.words]
    assert [segment.text for segment in both.segments] == [segment.text for segment in spoken]
    assert len(both.words) == len(expected.words)
    for segment in both.segments:
        assert 0 <= segment.start < segment.end <= 30.1
        assert segment.avg_logprob <= 0
        assert 0 <= segment.no_speech_prob <= 1


def test_frames_are_what_the_network_heard(speech_client: httpx2.Client, long: bytes, expected: Transcript) -> None:
    form = {"response_format": "verbose_json", "timestamp_granularities[]": "frame"}
    answer = speech_client.post(PATH, files={"file": long}, data=form).raise_for_status().json()
    assert len(answer["frames"]) == len(expected.segments) > 1
    for piece, segment in zip(answer["frames"], expected.segments, strict=True):
        assert (piece["letters"], piece["step"]) == (["", " ", "a", "b", "c"], SECONDS)
        assert piece["start"] == pytest.approx(segment.begin, abs=1e-3)
        heard = np.frombuffer(b64decode(piece["probabilities"]), np.uint8).reshape(-1, 5) / 255
        np.testing.assert_allclose(heard, np.exp(segment.logprobs), atol=0.01)
    assert (
        "frames"
        not in speech_client.post(PATH, files={"file": long}, data=form | {"timestamp_granularities[]": "word"}).json()
    )


def test_subtitles_are_those_of_the_segments(client: openai.OpenAI, long: bytes, expected: Transcript) -> None:
    create: Any = client.audio.transcriptions.create
    texts = [segment.text for segment in expected.segments if segment.words]
    srt = create(model="tiny-speech", file=("a.wav", long), response_format="srt")
    cues = re.findall(r"^(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n(.+)\n", srt, re.MULTILINE)
    assert [(int(number), text) for number, _, _, text in cues] == list(enumerate(texts, 1))
    assert all(begin < end for _, begin, end, _ in cues)
    vtt = create(model="tiny-speech", file=("a.wav", long), response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n")
    assert re.findall(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}\n(.+)", vtt) == texts


def test_its_client_reads_the_stream(client: openai.OpenAI, long: bytes, expected: Transcript) -> None:
    events = list(client.audio.transcriptions.create(model="tiny-speech", file=("a.wav", long), stream=True))
    *deltas, done = events
    assert all(event.type == "transcript.text.delta" for event in deltas)
    assert "".join(event.delta for event in deltas) == expected.text  # type: ignore[union-attr]
    assert len(deltas) == sum(bool(segment.words) for segment in expected.segments)
    assert (done.type, done.text) == ("transcript.text.done", expected.text)  # type: ignore[union-attr]


@pytest.mark.parametrize("format_", ["WAV", "FLAC", "OGG", "MP3"])
def test_every_format_of_recordings_is_read(speech_client: httpx2.Client, format_: str) -> None:
    answer = speech_client.post(PATH, files={"file": recording(1.5, format_)}).raise_for_status().json()
    assert set(answer) == {"text", "usage"}
    assert answer["usage"] == {"type": "duration", "seconds": pytest.approx(1.5, abs=0.1)}


@pytest.mark.parametrize(
    ("file", "data", "status", "message"),
    [
        (b"", {}, 400, "the recording is empty: 0 bytes"),
        (b"hello", {}, 415, "no recording that is read; WAV, FLAC"),
        (b"OggS" + bytes(100), {}, 400, "truncated or damaged"),
        (recording(0.1), {"response_format": "diarized_json"}, 400, "response_format='diarized_json'"),
        (
            recording(0.1),
            {"timestamp_granularities[]": "word"},
            400,
            "words and frames have times with response_format=verbose_json alone",
        ),
        (recording(0.1), {"timestamp_granularities[]": "letter"}, 400, "timestamp_granularities="),
        (recording(0.1), {"stream": "true", "response_format": "srt"}, 400, "stream=true: not with"),
        (recording(0.1), {"language": "de"}, 400, "language='de'"),
        (recording(0.1), {"temperature": "2"}, 400, "temperature='2'"),
        (recording(0.1), {"modle": "x"}, 400, "unknown parameter 'modle'; did you mean model?"),
        (recording(0.1), {"model": "nothing"}, 404, "nothing"),
    ],
)
def test_errors_have_its_shape(
    speech_client: httpx2.Client, file: bytes, data: dict[str, str], status: int, message: str
) -> None:
    response = speech_client.post(PATH, files={"file": file}, data=data)
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert message in error["message"]


def test_what_is_ignored_may_be_sent(client: openai.OpenAI, long: bytes, expected: Transcript) -> None:
    found = client.audio.transcriptions.create(
        model="tiny-speech",
        file=("a.wav", long),
        prompt="Names: Ada, Alan.",
        temperature=0.3,
        include=["logprobs"],
        chunking_strategy={"type": "server_vad", "threshold": 0.5},
    )
    assert found.text == expected.text


def test_request_without_a_file_is_told(speech_client: httpx2.Client) -> None:
    def error(**sent: Any) -> tuple[int, str]:
        response = speech_client.post(PATH, **sent)
        return response.status_code, response.json()["error"]["message"]

    status, message = error(json={"file": "x"})
    assert (status, "multipart/form-data" in message) == (415, True)
    status, message = error(files={"model": (None, "tiny-speech")})
    assert (status, "there is no field 'file'" in message) == (400, True)
    status, message = error(files={"image": recording(0.1)})
    assert (status, "it belongs in 'file'" in message) == (400, True)
    status, message = error(files={"file": (None, "hello")})
    assert (status, "file is text" in message) == (400, True)


def test_other_tasks_of_audio_are_not_there(speech_client: httpx2.Client) -> None:
    response = speech_client.post("/v1/audio/translations", files={"file": recording(0.1)})
    assert response.status_code == 404
    assert "nothing is at" in response.json()["error"]["message"]
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_recordings_side_by_side_have_their_own_texts(
    speech_client: httpx2.Client, served_speech: Any, long: bytes, expected: Transcript
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from model.audio.waveforms import read_waveform

    files = [long, recording(2.5), recording(3.5)] * 3
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda file: speech_client.post(PATH, files={"file": file}).json()["text"], files))
    texts = [served_speech.transcribe([read_waveform(file)])[0].text for file in files[1:3]]
    assert answers == [expected.text, *texts] * 3


def test_models_have_a_card(speech_client: httpx2.Client) -> None:
    (card,) = speech_client.get("/v1/models").json()["data"]
    assert (card["id"], card["task"]) == ("tiny-speech", "automatic-speech-recognition")
    assert (card["cell"], card["bidirectional"], card["decoding"]["beam_size"]) == ("lstm", True, 4)


def test_metrics_count_pieces(speech_client: httpx2.Client, long: bytes) -> None:
    def counted() -> float:
        text = speech_client.get("/metrics").text
        match = re.search(r'^recap_items_total{model="tiny-speech",task="transcription"} (\S+)$', text, re.MULTILINE)
        return float(match[1]) if match else 0.0

    before = counted()
    speech_client.post(PATH, files={"file": long}).raise_for_status()
    assert counted() - before >= 3


def test_document_names_the_fields(speech_client: httpx2.Client) -> None:
    document = speech_client.get("/openapi.json").json()
    schema = document["paths"][PATH]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"file", "model", "response_format", "timestamp_granularities[]", "stream"} <= set(schema["properties"])
    assert schema["required"] == ["file"]
    assert json.dumps(schema).count("$ref") == 0
