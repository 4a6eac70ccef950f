"""POST /v1/translations, and Hugging Face's contract with its own client."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from huggingface_hub import InferenceClient

from model.tasks.translation.config import TranslationDecodingConfig
from model.tasks.translation.translator import Translator
from tests.conftest import GERMAN, SENTENCES


def ask(client: httpx2.Client, **body: Any) -> httpx2.Response:
    return client.post("/v1/translations", json=body)


def refused(response: httpx2.Response, status: int = 422) -> tuple[str, str | None]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    return error["message"], error.get("field")


def test_texts_are_translated_in_their_order(translation_client: httpx2.Client) -> None:
    answer = ask(translation_client, text=list(SENTENCES)).raise_for_status().json()
    assert [result["text"] for result in answer["results"]] == list(SENTENCES)
    assert [result["translations"][0]["text"] for result in answer["results"]] == list(GERMAN)
    assert answer["model"]["name"] == "tiny-en-de"
    assert answer["id"].startswith("translation-")
    assert answer["timing_ms"] > 0
    for result in answer["results"]:
        assert result["unknown"] == []
        assert "source_tokens" not in result
        (best,) = result["translations"]
        assert best["finish_reason"] == "stop"
        assert 0 < best["confidence"] <= 1
        assert "".join(token["text"] for token in best["tokens"]) == best["text"]
        assert sum(token["logprob"] for token in best["tokens"]) >= best["logprob"] - 1e-4
        assert all("attention" not in token for token in best["tokens"])


def test_attention_and_alternatives_come_on_request(
    translation_client: httpx2.Client, served_translator: Translator
) -> None:
    body = {"text": SENTENCES[1], "attention": True, "num_translations": 3}
    (result,) = ask(translation_client, **body).raise_for_status().json()["results"]
    decoding = TranslationDecodingConfig(num_translations=3)
    (expected,) = served_translator.translate([SENTENCES[1]], decoding, attention=True)
    assert [found["text"] for found in result["translations"]] == [each.text for each in expected]
    assert len(result["source_tokens"]) == len(served_translator.encode(SENTENCES[1]))
    for found, each in zip(result["translations"], expected, strict=True):
        assert found["logprob"] == pytest.approx(each.logprob, abs=1e-2)
        for token, piece in zip(found["tokens"], each.tokens, strict=True):
            assert token["attention"] == pytest.approx(piece.attention, abs=1e-2)


def test_words_that_were_never_read_are_told(translation_client: httpx2.Client) -> None:
    (result,) = ask(translation_client, text="A brown Wolpertinger runs.").json()["results"]
    assert result["unknown"] == ["wolpertinger"]


def test_languages_choose_the_model(translation_client: httpx2.Client) -> None:
    for body, name in (
        ({"target": "en"}, "tiny-de-en"),
        ({"source": "de"}, "tiny-de-en"),
        ({"source": "en-US", "target": "de_DE"}, "tiny-en-de"),
        ({"model": "tiny-de-en"}, "tiny-de-en"),
        ({}, "tiny-en-de"),
    ):
        answer = ask(translation_client, text="Ein Hund", **body).raise_for_status().json()
        assert answer["model"]["name"] == name


def test_language_that_no_model_has_is_refused(translation_client: httpx2.Client) -> None:
    message, field = refused(ask(translation_client, text="un chien", source="fr"))
    assert message == "source='fr': this server translates de to en, en to de"
    assert field == "source"
    message, field = refused(ask(translation_client, text="a dog", model="tiny-en-de", target="en"))
    assert message == "target='en': tiny-en-de translates en to de"
    message, _ = refused(ask(translation_client, text="a dog", source="en", target="en"))
    assert "this server translates de to en, en to de" in message
    message, _ = refused(ask(translation_client, text="a dog", model="nobody"), 404)
    assert message == "there is no model 'nobody'; there is tiny-de-en, tiny-en-de"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text is empty; a sentence is needed"),
        (" \n ", "text is empty; a sentence is needed"),
        ([], "text=[]: a text is needed, or a list of at most 64"),
        (["a dog", ""], "text 2 of 2 is empty; a sentence is needed"),
        (["a dog"] * 65, "text has 65 texts; at most 64 fit into a request"),
        ("a" * 100_000, "text has 100,000 characters; at most 10,000 fit into a request"),
        ("a\n" * 257, "text has 257 sentences or lines; at most 256 fit into a request"),
        ("a\x00dog", "text has the control character U+0000 at place 2; take it out"),
        (
            "\u72ac\u304c\u8d70\u308b",
            "text is in letters that the model has never seen ('\u72ac\u304c\u8d70\u308b'); English is needed",
        ),
        (5, "text=5: a text is needed, or a list of at most 64"),
    ],
)
def test_text_that_cannot_be_translated_is_refused(
    translation_client: httpx2.Client, text: object, message: str
) -> None:
    assert refused(ask(translation_client, text=text)) == (message, "text")


def test_parameters_are_checked(translation_client: httpx2.Client) -> None:
    message, field = refused(ask(translation_client, text="a dog", beam_size=11))
    assert (message, field) == ("beam_size=11: input should be less than or equal to 10", "beam_size")
    message, _ = refused(ask(translation_client, text="a dog", beam=11))
    assert message == "unknown parameter 'beam'; did you mean beam_size?"
    message, _ = refused(ask(translation_client, text="a " * 501, attention=True))
    assert message == "text has 1,002 characters; with attention, at most 1,000 fit into a request"
    body = {"text": "a\n" * 100, "attention": True, "num_translations": 10, "max_length": 200}
    message, field = refused(ask(translation_client, **body))
    assert message.endswith("and 1,000,000 fit; lower num_translations or max_length, or send fewer sentences")
    assert field == "attention"


def test_odd_texts_are_answered(translation_client: httpx2.Client) -> None:
    for text in ("123 456", "!?", "\U0001f600", "a \U0001f600 dog", "d" * 3_000, "a dog\r\n\r\na cat\t.", "Ein Hund"):
        (result,) = ask(translation_client, text=text).raise_for_status().json()["results"]
        assert isinstance(result["translations"][0]["text"], str)


def test_long_text_is_put_together_again(translation_client: httpx2.Client) -> None:
    text = "\n\n".join(sentence.replace(" .", ".") for sentence in SENTENCES * 4)
    (result,) = ask(translation_client, text=text).raise_for_status().json()["results"]
    parts = result["translations"][0]["text"].split("\n\n")
    assert len(parts) == 20
    assert parts[:5] == parts[5:10]


def test_many_clients_share_batches(translation_client: httpx2.Client) -> None:
    def best(sentence: str) -> str:
        return ask(translation_client, text=sentence).raise_for_status().json()["results"][0]["translations"][0]["text"]  # type: ignore[no-any-return]

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(best, SENTENCES * 6)) == list(GERMAN) * 6
    metrics = translation_client.get("/metrics").text
    assert 'recap_items_total{model="tiny-en-de",task="translation"}' in metrics
    assert 'recap_stage_seconds_count{stage="generate",task="translation"}' in metrics
    sizes = [line for line in metrics.splitlines() if line.startswith('recap_batch_size_bucket{le="1.0",task="tr')]
    whole = [line for line in metrics.splitlines() if line.startswith('recap_batch_size_count{task="translation"}')]
    assert float(sizes[0].split()[-1]) < float(whole[0].split()[-1])  # some had more than one


@pytest.fixture
def hub(translation_client: httpx2.Client) -> InferenceClient:
    """Hugging Face's client of the translator."""
    return InferenceClient(model=f"{translation_client.base_url}/models/tiny-en-de")


def test_hugging_faces_client_translates(hub: InferenceClient) -> None:
    assert hub.translation(SENTENCES[0]).translation_text == GERMAN[0]
    assert hub.translation(SENTENCES[0], src_lang="en_XX", tgt_lang="deu_Latn").translation_text == GERMAN[0]


def test_hugging_faces_answer_is_a_list(translation_client: httpx2.Client) -> None:
    parameters = {"num_return_sequences": 2, "num_beams": 4, "max_new_tokens": 500, "max_length": 1}
    body = {"inputs": SENTENCES[0], "parameters": {"generate_parameters": parameters}}
    answer = translation_client.post("/models/tiny-en-de", json=body).raise_for_status().json()
    assert len(answer) == 2
    assert answer[0] == {"translation_text": GERMAN[0]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": ""}, "inputs is empty; a sentence is needed"),
        ({"inputs": 5}, "inputs=5: text is needed"),
        (
            {"inputs": "a dog", "parameters": {"src_lang": "fr", "tgt_lang": "de"}},
            "src_lang='fr': tiny-en-de translates en to de",
        ),
        (
            {"inputs": "a dog", "parameters": {"num_beams": 11}},
            "num_beams=11: input should be less than or equal to 10",
        ),
        (
            {"inputs": "a dog", "parameters": {"generate_parameters": 3}},
            "generate_parameters=3: an object is needed",
        ),
    ],
)
def test_hugging_faces_errors_say_what_is_wrong(
    translation_client: httpx2.Client, body: dict[str, Any], message: str
) -> None:
    answer = translation_client.post("/models/tiny-en-de", json=body)
    assert (answer.status_code, answer.json()) == (422, {"error": message, "error_type": "validation"})
