"""POST /v1/audio/speech and GET /v1/audio/voices, asked for with OpenAI's client and by hand."""

import base64
import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
import soundfile

from app.tasks.speech.service import planned
from model.audio.encoding import FORMATS, SENT_RATE
from model.tasks.speech.synthesiser import Synthesiser

PATH = "/v1/audio/speech"
TEXT = "Hello go on. On zorp now, go! Hello."


@pytest.fixture(scope="module")
def client(voice_client: httpx2.Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{voice_client.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def seconds_of(data: bytes, format_: str) -> float:
    if format_ == "pcm":
        return len(data) / 2 / SENT_RATE
    info = soundfile.info(io.BytesIO(data))
    assert (info.samplerate, info.channels) == (SENT_RATE, 1)
    samples, _ = soundfile.read(io.BytesIO(data))
    assert np.abs(samples).max() > 0.01
    return len(samples) / SENT_RATE


def alike(first: bytes, second: bytes) -> bool:
    """Whether samples are the same but for what rounding does in other company."""
    one, other = (np.frombuffer(data, "<i2").astype(float) for data in (first, second))
    return len(one) == len(other) and bool(np.abs(one - other).mean() < 0.02 * np.abs(other).max())


@pytest.mark.parametrize("format_", FORMATS)
def test_its_client_gets_every_format(client: openai.OpenAI, served_voice: Synthesiser, format_: str) -> None:
    create: Any = client.audio.speech.create
    for text in ("hello", TEXT):
        answer = create(model="tts-1", voice="ann", input=text, response_format=format_)
        expected = planned(served_voice, text, 0, 1.0).samples / 16_000
        slack = 0.2 if format_ == "mp3" else 0.001
        assert seconds_of(answer.content, format_) == pytest.approx(expected, abs=slack)
        known = answer.response.headers.get("content-length")
        assert known in (None, str(len(answer.content)))
        assert known or format_ not in ("wav", "pcm")


def test_mp3_is_the_default(client: openai.OpenAI) -> None:
    answer = client.audio.speech.create(model="tiny-voice", voice="bob", input="go")
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert soundfile.info(io.BytesIO(answer.content)).format == "MP3"


def test_voices_may_be_objects_and_have_speeds(client: openai.OpenAI) -> None:
    create: Any = client.audio.speech.create

    def samples(**asked: Any) -> "np.typing.NDArray[np.int16]":
        data = create(model="tts-1", input="hello go on", response_format="pcm", **asked).content
        return np.frombuffer(data, "<i2")

    ann, bob = samples(voice="ann"), samples(voice={"id": "bob"})
    assert not np.array_equal(ann, bob)
    assert len(samples(voice="ann", speed=4.0)) < len(ann) / 2
    assert len(samples(voice="ann", speed=0.25)) == pytest.approx(4 * len(ann), rel=0.02)
    assert np.array_equal(samples(voice="ann", instructions="Whisper."), ann)


def test_long_texts_are_sent_as_they_are_said(client: openai.OpenAI) -> None:
    create = client.audio.speech.with_streaming_response.create
    with create(model="tts-1", voice="ann", input=TEXT * 20, response_format="pcm") as answer:
        chunks = list(answer.iter_bytes())
    assert len(chunks) > 5
    whole = client.audio.speech.create(model="tts-1", voice="ann", input=TEXT * 20, response_format="pcm").content
    assert alike(b"".join(chunks), whole)


def test_its_client_reads_the_stream(voice_client: httpx2.Client, served_voice: Synthesiser) -> None:
    asked = {"input": TEXT, "voice": "ann", "response_format": "wav", "stream_format": "sse"}
    with voice_client.stream("POST", PATH, json=asked) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    *deltas, done = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert len(deltas) == 3
    file = b"".join(base64.b64decode(event["audio"]) for event in deltas)
    assert alike(file, voice_client.post(PATH, json={**asked, "stream_format": "audio"}).content)
    assert done["type"] == "speech.audio.done"
    assert [word["word"] for word in done["words"]] == ["hello", "go", "on", "on", "zorp", "now", "go", "hello"]
    assert done["unheard"] == ["zorp", "now"]
    speech = planned(served_voice, TEXT, 0, 1.0)
    assert [word["start"] for word in done["words"]] == [round(word.begin, 3) for word in speech.words()]
    assert done["words"][-1]["end"] <= seconds_of(file, "wav")
    assert done["usage"]["input_tokens"] == len(TEXT)


@pytest.mark.parametrize(
    ("asked", "status", "param", "message"),
    [
        ({}, 400, "input", "a text of 1 to 4096 characters is needed"),
        ({"input": ""}, 400, "input", "a text of 1 to 4096 characters is needed"),
        ({"input": "a" * 4097}, 400, "input", "a text of 1 to 4096 characters is needed"),
        ({"input": " ... "}, 400, "input", "there is nothing to say in the text"),
        ({"input": "go 日本"}, 400, "input", "'日', '本' can't be said"),
        ({"input": "go", "voice": "alloy"}, 400, "voice", "there is no such voice; there are ann, bob"),
        ({"input": "go", "voice": {"name": "ann"}}, 400, "name", "unknown parameter 'name'"),
        ({"input": "go", "response_format": "aac"}, 400, "response_format", "'mp3', 'opus', 'flac', 'wav' or 'pcm'"),
        ({"input": "go", "speed": 5}, 400, "speed", "speed=5: "),
        ({"input": "go", "speed": 0.2}, 400, "speed", "speed=0.2: "),
        ({"input": "go", "stream_format": "x"}, 400, "stream_format", "stream_format='x'"),
        ({"input": "go", "sped": 1}, 400, "sped", "did you mean speed?"),
        ({"input": "go", "model": "nothing"}, 404, None, "nothing"),
    ],
)
def test_errors_have_its_shape(
    voice_client: httpx2.Client, asked: dict[str, Any], status: int, param: str | None, message: str
) -> None:
    response = voice_client.post(PATH, json=asked)
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert error["param"] == param or status == 404
    assert message in error["message"]


def test_voices_are_listed(voice_client: httpx2.Client) -> None:
    found = voice_client.get("/v1/audio/voices").raise_for_status().json()
    assert found == {
        "object": "list",
        "voices": [
            {"id": "ann", "name": "Ann", "description": "says words"},
            {"id": "bob", "name": "Bob", "description": ""},
        ],
        "default_voice": "ann",
    }
    assert voice_client.get("/v1/audio/voices", params={"model": "tts-1"}).json() == found
    assert voice_client.get("/v1/audio/voices", params={"model": "nothing"}).status_code == 404


def test_texts_side_by_side_sound_as_alone(voice_client: httpx2.Client) -> None:
    def say(text: str) -> bytes:
        return voice_client.post(PATH, json={"input": text, "response_format": "pcm"}).raise_for_status().content

    texts = ["hello", TEXT, "go on now"] * 3
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(say, texts))
    for text, answer in zip(texts, answers, strict=True):
        assert alike(answer, say(text))


def test_models_have_a_card_and_metrics_count_pieces(voice_client: httpx2.Client) -> None:
    (card,) = voice_client.get("/v1/models").json()["data"]
    assert (card["id"], card["task"]) == ("tiny-voice", "text-to-speech")
    assert (card["cell"], card["decoder_layers"], card["rendering"]["iterations"]) == ("lstm", 1, 2)

    def counted() -> float:
        text = voice_client.get("/metrics").text
        match = re.search(r'^recap_items_total{model="tiny-voice",task="speech"} (\S+)$', text, re.MULTILINE)
        return float(match[1]) if match else 0.0

    before = counted()
    voice_client.post(PATH, json={"input": TEXT}).raise_for_status()
    assert counted() - before == 3
