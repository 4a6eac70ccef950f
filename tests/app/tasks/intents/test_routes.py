"""POST /v1/intents: texts, their rankings and explanations, and what is refused."""

import asyncio
import re
from typing import Any

import httpx2
import pytest

from app.tasks.intents.service import MAX_CHARS, MAX_TEXTS
from model.tasks.intents.classifier import IntentClassifier

INSIDE, OUTSIDE = "What time is it in Lima?", "which river flows through lima"


def ask(client: httpx2.Client, **body: Any) -> Any:
    return client.post("/v1/intents", json=body).raise_for_status().json()


def test_a_text_is_answered_as_the_model_answers(
    intent_client: httpx2.Client, served_intents: IntentClassifier
) -> None:
    answer = ask(intent_client, text=INSIDE, top_k=2)
    assert set(answer) == {"id", "model", "results", "timing_ms"}
    assert answer["model"]["name"] == "tiny-intents"
    (result,) = answer["results"]
    (expected,) = served_intents.answers([served_intents.encode(INSIDE)])
    assert result == {
        "text": INSIDE,
        "intent": "time",
        "title": "Asking for the time",
        "confidence": pytest.approx(expected.best.confidence, abs=1e-5),
        "in_scope": True,
        "ranking": [
            {"intent": one.intent, "title": one.title, "confidence": pytest.approx(one.confidence, abs=1e-5)}
            for one in expected.ranking[:2]
        ],
    }


def test_out_of_scope_is_an_answer_with_the_nearest_intents(intent_client: httpx2.Client) -> None:
    (result,) = ask(intent_client, text=OUTSIDE)["results"]
    assert (result["intent"], result["title"], result["in_scope"]) == ("out_of_scope", "Something else", False)
    assert result["confidence"] == pytest.approx(1 - result["ranking"][0]["confidence"])
    assert len(result["ranking"]) == 4


def test_many_texts_are_answered_in_their_order(intent_client: httpx2.Client) -> None:
    texts = [OUTSIDE, INSIDE, "thanks", "book a flight to oslo " * 20] * (MAX_TEXTS // 4)
    results = ask(intent_client, text=texts)["results"]
    assert [result["text"] for result in results] == texts
    assert [result["intent"] for result in results[:3]] == ["out_of_scope", "time", "thank_you"]
    alone = ask(intent_client, text=[texts[3]])["results"][0]
    assert results[-1]["confidence"] == pytest.approx(alone["confidence"], abs=1e-4)


def test_explanation_has_each_word(intent_client: httpx2.Client) -> None:
    (result,) = ask(intent_client, text="What time is it in Gotham", explain=True, top_k=1)["results"]
    words = {word["word"]: word for word in result["explanation"]}
    assert list(words) == ["what", "time", "is", "it", "in", "gotham"]
    assert [words[name]["known"] for name in ("time", "gotham")] == [True, False]
    assert words["gotham"]["after"] == [pytest.approx(one, abs=1e-5) for one in result["ranking"]]
    assert set(words["time"]["without"]) == {"intent", "title", "confidence", "in_scope"}
    (without,) = ask(intent_client, text="What is it in Gotham", top_k=150)["results"]
    left = {one["intent"]: one["confidence"] for one in without["ranking"]}[result["ranking"][0]["intent"]]
    assert words["time"]["effect"] == pytest.approx(result["ranking"][0]["confidence"] - left, abs=1e-4)
    assert "explanation" not in ask(intent_client, text="time")["results"][0]


@pytest.mark.parametrize("text", ["?!", "👍", "现在几点了", "Который час?", "a\u0301\u200d", "tïmé", "x" * MAX_CHARS])
def test_other_scripts_signs_and_long_words_are_answered(intent_client: httpx2.Client, text: str) -> None:
    (result,) = ask(intent_client, text=text, explain=True)["results"]
    assert 0 <= result["confidence"] <= 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "a text is needed, or a list of 1 to 128 texts"),
        ({"text": 3}, "a text is needed, or a list of 1 to 128 texts"),
        ({"text": [INSIDE, None]}, "a text is needed, or a list of 1 to 128 texts"),
        ({"text": []}, "text has 0 texts; 1 to 128 are needed"),
        ({"text": ["time"] * 129}, "text has 129 texts; 1 to 128 are needed"),
        ({"text": ""}, r"text is empty; a sentence is needed, such as 'what time is it\?'"),
        ({"text": ["time", " \n"]}, r"text\[1\] is empty"),
        ({"text": "a" * 100_000}, "text has 100,000 characters; at most 1,000 are read"),
        ({"text": "time\x00please"}, r"text has the control character U\+0000 at place 5; take it out"),
        ({"text": "time", "top_k": 0}, "top_k=0: input should be greater than or equal to 1"),
        ({"text": "time", "topk": 3}, "unknown parameter 'topk'; did you mean top_k"),
        ({"text": "time " * 65, "explain": True}, "explain=true: the text has 65 words; at most 64 are explained"),
        ({"text": ["time"] * 65, "explain": True}, "explain=true: the texts have 65 words; at most 64 are explained"),
    ],
)
def test_what_is_wrong_is_told(intent_client: httpx2.Client, body: dict[str, Any], message: str) -> None:
    response = intent_client.post("/v1/intents", json=body)
    error = response.json()["error"]
    assert response.status_code == 422
    assert re.search(message, error["message"]), error["message"]
    assert error["field"] in ("text", "top_k", "topk", "explain")


def test_unknown_model_and_broken_body_are_told(intent_client: httpx2.Client) -> None:
    assert intent_client.post("/v1/intents", json={"text": "time", "model": "nobody"}).status_code == 404
    assert intent_client.post("/v1/intents", content=b"{").status_code == 400
    huge = intent_client.post("/v1/intents", json={"text": "a" * 9_000_000})
    assert huge.status_code == 413


def test_model_says_what_it_is(intent_client: httpx2.Client, served_intents: IntentClassifier) -> None:
    card = intent_client.get("/v1/models/tiny-intents").json()
    assert (card["task"], card["default"]) == ("text-classification", True)
    assert (card["cell"], card["hidden_size"], card["threshold"]) == ("lstm", 16, served_intents.config.threshold)


def test_requests_are_counted(intent_client: httpx2.Client) -> None:
    def items() -> float:
        text = intent_client.get("/metrics").text
        found = re.search(r'recap_items_total{model="tiny-intents",task="intents"} (\S+)', text)
        return float(found[1]) if found else 0.0

    before = items()
    ask(intent_client, text=["time", "thanks"])
    assert items() == before + 2


def test_explanations_run_alone(intent_client: httpx2.Client) -> None:
    def batches(bucket: str) -> float:
        found = re.search(rf'recap_batch_size_{bucket}task="intents"}} (\S+)', intent_client.get("/metrics").text)
        return float(found[1]) if found else 0.0

    alone, whole = batches('bucket{le="1.0",'), batches("count{")
    ask(intent_client, text=["time", "thanks"] * 8, explain=True)
    assert (batches('bucket{le="1.0",') - alone, batches("count{") - whole) == (16, 16)


def test_clients_at_the_same_time_get_their_own(intent_client: httpx2.Client) -> None:
    texts = [INSIDE, "thanks from rome", "book a flight to quito", "will it rain in oslo today"] * 8

    async def all_at_once() -> list[str]:
        async with httpx2.AsyncClient(base_url=intent_client.base_url, timeout=30) as client:
            asked = (client.post("/v1/intents", json={"text": text}) for text in texts)
            answers = await asyncio.gather(*asked)
        return [answer.raise_for_status().json()["results"][0]["intent"] for answer in answers]

    assert asyncio.run(all_at_once()) == ["time", "thank_you", "book_flight", "weather"] * 8
