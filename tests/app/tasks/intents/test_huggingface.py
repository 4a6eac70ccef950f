"""Hugging Face's text-classification, asked for with its client, as it comes."""

import httpx2
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from model.tasks.intents.classifier import IntentClassifier


@pytest.fixture
def classifier(intent_client: httpx2.Client) -> InferenceClient:
    return InferenceClient(model=f"{intent_client.base_url}/models/tiny-intents")


def test_its_client_reads_the_ranking(classifier: InferenceClient, served_intents: IntentClassifier) -> None:
    (expected,) = served_intents.answers([served_intents.encode("what time is it in lima")])
    found = classifier.text_classification("what time is it in lima", top_k=3)
    assert [one.label for one in found] == [one.intent for one in expected.ranking[:3]]
    assert [one.score for one in found] == pytest.approx([one.confidence for one in expected.ranking[:3]], abs=1e-5)
    assert len(classifier.text_classification("what time is it in lima", function_to_apply="softmax")) == 4


def test_out_of_scope_comes_first(classifier: InferenceClient) -> None:
    first, second, *_ = classifier.text_classification("which river flows through lima")
    assert first.label == "out_of_scope"
    assert first.score == pytest.approx(1 - second.score)


def test_answer_is_a_list_of_lists(intent_client: httpx2.Client) -> None:
    (labels,) = intent_client.post("/models/tiny-intents", json={"inputs": "thanks"}).json()
    assert labels[0]["label"] == "thank_you"


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        ("", {}, "inputs is empty"),
        ("a" * 1001, {}, "inputs has 1,001 characters"),
        (
            "time",
            {"function_to_apply": "sigmoid"},
            "function_to_apply='sigmoid': not supported: scores are probabilities",
        ),
        ("time", {"num_beams": 2}, "unknown parameter 'num_beams'"),
        (3, {}, "text is needed"),
    ],
)
def test_errors_have_its_shape(
    intent_client: httpx2.Client, inputs: object, parameters: dict[str, object], message: str
) -> None:
    response = intent_client.post("/models/tiny-intents", json={"inputs": inputs, "parameters": parameters})
    assert response.status_code == 422
    assert response.json()["error_type"] == "validation"
    assert message in response.json()["error"]


def test_its_client_raises_what_is_wrong(classifier: InferenceClient) -> None:
    with pytest.raises(HfHubHTTPError, match="422"):
        classifier.text_classification(" ")
