"""Rasa's HTTP API, asked as programs written for Rasa ask."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from model.tasks.intents.classifier import IntentClassifier

Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]


def test_a_message_is_parsed(intent_client: httpx2.Client, served_intents: IntentClassifier) -> None:
    """As rasa.yml documents it: the message's number comes back, and entities are there."""
    asked = {"text": "What time is it in Lima?", "message_id": "b2831e73-1407-4ba0-a861-0f30a42a2a5a"}
    answer = intent_client.post("/model/parse?emulation_mode=LUIS", json=asked).raise_for_status().json()
    (expected,) = served_intents.answers([served_intents.encode(asked["text"])])
    ranking = [{"name": x.intent, "confidence": pytest.approx(x.confidence, abs=1e-5)} for x in expected.ranking]
    assert answer == {**asked, "intent": ranking[0], "intent_ranking": ranking, "entities": []}
    assert answer["intent"]["name"] == "time"


def test_below_the_threshold_is_the_fallback_and_the_prediction_is_kept(intent_client: httpx2.Client) -> None:
    answer = intent_client.post("/model/parse", json={"text": "which river flows through lima"}).json()
    first, second, *_ = answer["intent_ranking"]
    assert answer["intent"] == first
    assert first == {"name": "nlu_fallback", "confidence": pytest.approx(1 - second["confidence"])}
    assert "message_id" not in answer


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        ({"text": ""}, "invalid_parameter", "text is empty"),
        ({"message_id": "1"}, "invalid_parameter", "a text is needed"),
        ({"text": "time", "txt": "time"}, "unknown_parameter", "did you mean text?"),
    ],
)
def test_errors_have_its_shape(intent_client: httpx2.Client, body: dict[str, str], reason: str, message: str) -> None:
    response = intent_client.post("/model/parse", json=body)
    error = response.json()
    assert response.status_code == error["code"] == 400
    assert set(error) == {"version", "status", "reason", "message", "details", "help", "code"}
    assert (error["status"], error["reason"]) == ("failure", reason)
    assert message in error["message"]


def test_status_and_version(intent_client: httpx2.Client) -> None:
    status = intent_client.get("/status").raise_for_status().json()
    sha256 = intent_client.get("/v1/models/tiny-intents").json()["sha256"]
    assert status == {"model_id": sha256, "model_file": "tiny-intents", "num_active_training_jobs": 0}
    version = intent_client.get("/version").raise_for_status().json()
    assert set(version) == {"version", "minimum_compatible_version"}
    assert version["version"].startswith("3.")


def test_without_a_classifier_it_says_so(serve: Serve, ready: Ready, tiny_language_checkpoint: Path) -> None:
    with serve(create_app(Settings(checkpoints=tiny_language_checkpoint.parent, threads=1, runtime="torch"))) as client:
        ready(client)
        for response in (client.post("/model/parse", json={"text": "time"}), client.get("/status")):
            assert response.status_code == response.json()["code"] == 404
