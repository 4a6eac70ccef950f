"""LibreTranslate's API, by its Python client and by hand."""

from typing import Any

import httpx2
import pytest
from libretranslatepy import LibreTranslateAPI

from model.tasks.translation.config import TranslationDecodingConfig
from model.tasks.translation.translator import Translator
from tests.conftest import GERMAN, SENTENCES

_FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def libre(translation_client: httpx2.Client) -> LibreTranslateAPI:
    """LibreTranslate's client, as it comes, but for its address."""
    return LibreTranslateAPI(f"{translation_client.base_url}/")


def test_its_client_translates(libre: LibreTranslateAPI) -> None:
    assert libre.translate(SENTENCES[0], "en", "de") == GERMAN[0]
    assert libre.translate(SENTENCES[1], "auto", "de") == GERMAN[1]


def test_its_client_lists_and_tells_languages(libre: LibreTranslateAPI) -> None:
    assert libre.languages() == [
        {"code": "de", "name": "German", "targets": ["en"]},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]
    likeliest, other = libre.detect(GERMAN[0])
    assert (likeliest["language"], other["language"]) == ("de", "en")
    assert likeliest["confidence"] > 95 > 5 > other["confidence"]
    assert likeliest["confidence"] + other["confidence"] == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize("form", [True, False])
def test_form_and_json_are_read_alike(
    translation_client: httpx2.Client, served_translator: Translator, form: bool
) -> None:
    given = {"q": SENTENCES[0], "source": "auto", "target": "de", "alternatives": 2, "format": "text", "api_key": ""}
    body: dict[str, Any] = {"data": given} if form else {"json": given}
    answer = translation_client.post("/translate", **body).json()
    ((best, *others),) = served_translator.translate([SENTENCES[0]], TranslationDecodingConfig(num_translations=3))
    assert answer["translatedText"] == best.text == GERMAN[0]
    assert answer["alternatives"] == [other.text for other in others]
    assert answer["detectedLanguage"]["language"] == "en"
    assert answer["detectedLanguage"]["confidence"] > 95


def test_form_may_have_letters_as_they_are(translation_client: httpx2.Client) -> None:
    body = "q=Ein schöner Hund&source=de&target=en".encode()  # as curl -d sends it
    answer = translation_client.post("/translate", content=body, headers={"content-type": _FORM}).raise_for_status()
    given = {"q": "Ein schöner Hund", "source": "de", "target": "en"}
    assert answer.json() == translation_client.post("/translate", json=given).json()


def test_text_that_is_in_the_target_already_is_taken_on_whatever_the_code(translation_client: httpx2.Client) -> None:
    for target in ("de", "de-DE"):
        given = {"q": GERMAN[0], "source": "auto", "target": target}
        answer = translation_client.post("/translate", json=given).raise_for_status().json()
        assert answer["detectedLanguage"]["language"] == "de"


def test_several_texts_have_lists(translation_client: httpx2.Client) -> None:
    given = {"q": list(SENTENCES), "source": "en", "target": "de"}
    answer = translation_client.post("/translate", json=given).json()
    assert answer == {"translatedText": list(GERMAN)}
    answer = translation_client.post("/translate", json=given | {"source": "auto", "alternatives": 1}).json()
    assert answer["translatedText"] == list(GERMAN)
    assert [found["language"] for found in answer["detectedLanguage"]] == ["en"] * 5
    assert [len(others) for others in answer["alternatives"]] == [1] * 5


@pytest.mark.parametrize(
    ("path", "given", "message"),
    [
        (
            "/translate",
            {"q": "a dog", "source": "en"},
            "target=None: a language's code is needed; the field is required",
        ),
        (
            "/translate",
            {"q": "a dog", "source": "en", "target": "fr"},
            "target='fr': this server translates de to en, en to de",
        ),
        ("/translate", {"q": "", "source": "en", "target": "de"}, "q is empty; a sentence is needed"),
        (
            "/translate",
            {"q": "<b>a</b>", "source": "en", "target": "de", "format": "html"},
            "format='html': not supported: only text is translated, so take the markup out",
        ),
        (
            "/translate",
            {"q": [SENTENCES[0], GERMAN[0]], "source": "auto", "target": "fr"},
            "source='auto': the texts are in de, en; send them apart",
        ),
        ("/translate", {"q": "a" * 20_000, "source": "en", "target": "de"}, "q has 20,000 characters; at most 10,000"),
        (
            "/translate",
            {"q": ["a dog " * 1000] * 2, "source": "auto", "target": "de"},
            "q has 12,000 characters; at most 10,000",
        ),
        ("/detect", {"q": ""}, "q is empty; a sentence is needed"),
        ("/detect", {}, "q=None: a text is needed; the field is required"),
    ],
)
def test_errors_have_its_shape(
    translation_client: httpx2.Client, path: str, given: dict[str, Any], message: str
) -> None:
    answer = translation_client.post(path, json=given)
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}
    assert message in answer.json()["error"]


def test_broken_bodies_are_refused(translation_client: httpx2.Client) -> None:
    for content, kind in ((b"{", "application/json"), (b"q=\xff&source=en&target=de", _FORM)):
        answer = translation_client.post("/translate", content=content, headers={"content-type": kind})
        assert answer.status_code == 400
        assert answer.json()["error"]
