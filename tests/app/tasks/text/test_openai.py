"""POST /v1/completions: OpenAI's contract, asked for with its client and by hand."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.main import create_app
from app.settings import Settings
from app.tasks.text.openai import CompletionRequest
from model.tasks.text.config import GenerationConfig
from model.tasks.text.language import LanguageModel
from tests.app.conftest import alone

Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
Ready = Callable[[httpx2.Client], None]
URL = "/v1/completions"


def error(response: httpx2.Response, status: int, code: str, param: str | None) -> str:
    """The message of an error in OpenAI's shape."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert (body["error"]["code"], body["error"]["param"]) == (code, param)
    assert body["error"]["type"] in ("invalid_request_error", "rate_limit_error", "server_error")
    message: str = body["error"]["message"]
    return message


def events(response: httpx2.Response) -> list[dict[str, Any]]:
    """The chunks of a stream that ended well."""
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert all(chunk.startswith("data: ") and "\n" not in chunk for chunk in chunks)
    return [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]


def test_a_text_is_the_models_own(text_client: httpx2.Client, served_text: LanguageModel) -> None:
    answer = text_client.post(URL, json={"model": "tiny-text", "prompt": "A brown", "seed": 3}).json()
    assert answer["id"].startswith("cmpl-")
    assert (answer["object"], answer["model"]) == ("text_completion", "tiny-text")
    (choice,) = answer["choices"]
    assert choice == {
        "text": alone(served_text, "A brown", seed=3),
        "index": 0,
        "logprobs": None,
        "finish_reason": "length",
    }
    assert len(choice["text"]) == served_text.config.generation.max_tokens == 40
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47}


def test_without_parameters_the_models_defaults_hold(text_client: httpx2.Client) -> None:
    answer = text_client.post(URL, json={"model": None, "seed": None, "stop": None}).json()
    assert answer["model"] == "tiny-text"
    assert answer["usage"]["completion_tokens"] == 40


def test_a_default_gives_way_to_the_operators_limit(serve: Serve, ready: Ready, both_checkpoints: Path) -> None:
    with serve(create_app(Settings(checkpoints=both_checkpoints, threads=1, max_tokens=7))) as client:
        ready(client)
        assert client.post(URL, json={}).json()["usage"]["completion_tokens"] == 7
        error(client.post(URL, json={"max_tokens": 8}), 400, "invalid_parameter", "max_tokens")


def test_parameters_reach_the_model(text_client: httpx2.Client, served_text: LanguageModel) -> None:
    parameters: dict[str, Any] = {
        "max_tokens": 60,
        "temperature": 1.3,
        "top_k": 9,
        "top_p": 0.9,
        "repetition_penalty": 1.2,
        "stop": [" the", "\n"],
        "seed": 11,
    }
    texts = set()
    for prompt in ("A", "Two children", "zebra Ω", "", "\r\n"):
        choice = text_client.post(URL, json={"prompt": prompt, **parameters}).json()["choices"][0]
        assert choice["text"] == alone(served_text, prompt, **parameters)
        assert choice["finish_reason"] == ("length" if len(choice["text"]) == 60 else "stop")
        texts.add(choice["text"])
    assert len(texts) == 5
    greedy: dict[str, Any] = {"temperature": 0, "max_tokens": 30}
    assert text_client.post(URL, json={"prompt": "A", **greedy}).json()["choices"][0]["text"] == alone(
        served_text, "A", **greedy
    )


def test_a_text_ends_before_a_stop_string(text_client: httpx2.Client) -> None:
    body = {"prompt": "A brown dog runs thr", "temperature": 0, "max_tokens": 30}
    free = text_client.post(URL, json=body).json()["choices"][0]["text"]
    stop = free[5:8]
    (choice,) = text_client.post(URL, json={**body, "stop": stop}).json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == (free[: free.index(stop)], "stop")


def test_prompts_and_choices_come_in_the_order_of_their_indices(
    text_client: httpx2.Client, served_text: LanguageModel
) -> None:
    drawing: dict[str, Any] = {"seed": 5, "max_tokens": 20, "temperature": 1.5}
    body = {"prompt": ["A", "The woman", "x"], "n": 4, **drawing}
    answer = text_client.post(URL, json=body).json()
    expected = [
        alone(served_text, prompt, choice=choice, **drawing)
        for prompt in ("A", "The woman", "x")
        for choice in range(4)
    ]
    assert [choice["index"] for choice in answer["choices"]] == list(range(12))
    assert [choice["text"] for choice in answer["choices"]] == expected
    assert len(set(expected)) > 6
    assert answer["usage"] == {"prompt_tokens": 1 + 9 + 1, "completion_tokens": 240, "total_tokens": 251}
    streamed = [""] * 12
    for chunk in events(text_client.post(URL, json={**body, "stream": True})):
        (choice,) = chunk["choices"]
        streamed[choice["index"]] += choice["text"]
    assert streamed == expected


def test_logprobs_line_up_with_the_text(text_client: httpx2.Client) -> None:
    body = {"prompt": "The wo€", "echo": True, "logprobs": 3, "max_tokens": 10, "seed": 1}
    (choice,) = text_client.post(URL, json=body).json()["choices"]
    scores = choice["logprobs"]
    assert choice["text"].startswith("The wo€")
    assert "".join(scores["tokens"]) == choice["text"]
    assert [choice["text"][place] for place in scores["text_offset"]] == scores["tokens"]
    assert {len(column) for column in scores.values()} == {17}
    assert scores["token_logprobs"][0] is scores["top_logprobs"][0] is None
    for token, logprob, top in list(zip(*(scores[name] for name in list(scores)[:3]), strict=True))[1:]:
        assert logprob < 0
        assert top[token] == logprob
        assert 3 <= len(top) <= 4
        assert len(top) == 3 or logprob == min(top.values())
    unechoed = text_client.post(URL, json={**body, "echo": False}).json()["choices"][0]
    assert unechoed["text"] == choice["text"][7:]
    assert unechoed["logprobs"]["token_logprobs"] == scores["token_logprobs"][7:]
    assert unechoed["logprobs"]["text_offset"][0] == 0
    none = text_client.post(URL, json={**body, "logprobs": 0}).json()["choices"][0]["logprobs"]
    assert none["token_logprobs"] == scores["token_logprobs"]
    assert none["top_logprobs"][1] == {"h": scores["token_logprobs"][1]}


def test_a_prompt_can_be_scored_without_writing(text_client: httpx2.Client) -> None:
    body = {"prompt": "A black dog", "echo": True, "logprobs": 1, "max_tokens": 0}
    answer = text_client.post(URL, json=body).json()
    (choice,) = answer["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("A black dog", "length")
    assert len(choice["logprobs"]["tokens"]) == 11
    known = sum(choice["logprobs"]["token_logprobs"][1:])
    odd = text_client.post(URL, json={**body, "prompt": "god kcalb A"}).json()["choices"][0]
    assert sum(odd["logprobs"]["token_logprobs"][1:]) < known - 5
    assert answer["usage"]["completion_tokens"] == 0


def test_a_stream_says_the_same(text_client: httpx2.Client) -> None:
    body = {"prompt": "A man", "echo": True, "logprobs": 2, "seed": 8, "max_tokens": 50, "stop": "zz"}
    plain = text_client.post(URL, json=body).json()
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = events(text_client.post(URL, json={**body, **options}))
    assert len({chunk["id"] for chunk in (*chunks, last)}) == 1
    assert last["choices"] == []
    assert last["usage"] == plain["usage"]
    assert {chunk["usage"] for chunk in chunks} == {None}
    pieces = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [piece["finish_reason"] for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    (whole,) = plain["choices"]
    assert pieces[-1]["finish_reason"] == whole["finish_reason"]
    assert "".join(piece["text"] for piece in pieces) == whole["text"]
    for name, column in whole["logprobs"].items():
        assert [value for piece in pieces for value in piece["logprobs"][name]] == column
    assert all("usage" not in chunk for chunk in events(text_client.post(URL, json={**body, "stream": True})))


def test_text_comes_as_it_is_written(text_client: httpx2.Client) -> None:
    with text_client.stream("POST", URL, json={"prompt": "A", "stream": True, "max_tokens": 100_000}) as response:
        lines = response.iter_lines()
        assert json.loads(next(lines).removeprefix("data: "))["choices"][0]["finish_reason"] is None
        assert response.headers["cache-control"] == "no-cache"


def test_openais_client_reads_a_text(openai_client: openai.OpenAI, served_text: LanguageModel) -> None:
    answer = openai_client.completions.create(
        model="tiny-text", prompt="The woman", max_tokens=30, seed=2, logprobs=2, n=2, extra_body={"top_k": 5}
    )
    expected = [alone(served_text, "The woman", max_tokens=30, seed=2, top_k=5, choice=choice) for choice in (0, 1)]
    assert [choice.text for choice in answer.choices] == expected
    assert answer.choices[0].logprobs
    assert answer.choices[0].logprobs.tokens == list(expected[0])
    assert answer.usage
    assert answer.usage.total_tokens == 69


def test_openais_client_reads_a_stream(openai_client: openai.OpenAI, served_text: LanguageModel) -> None:
    with openai_client.completions.create(
        model="tiny-text", prompt="The woman", seed=2, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert text == alone(served_text, "The woman", seed=2)
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 40


def test_openais_client_lists_the_models(openai_client: openai.OpenAI) -> None:
    cards = {card.id: card for card in openai_client.models.list()}
    assert cards.keys() == {"tiny", "tiny-text"}
    assert {(card.object, card.owned_by) for card in cards.values()} == {("model", "recap")}
    extra = cards["tiny-text"].model_extra or {}
    assert (extra["unit"], extra["cell"], extra["num_layers"], extra["hidden_size"]) == ("character", "lstm", 2, 48)
    assert extra["generation"]["max_tokens"] == 40
    assert openai_client.models.retrieve("tiny-text") == cards["tiny-text"]
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-3'; there is tiny, tiny-text") as missing:
        openai_client.models.retrieve("gpt-3")
    assert missing.value.code == "model_not_found"


def test_openais_client_understands_what_goes_wrong(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-3'; there is tiny-text") as missing:
        openai_client.completions.create(model="gpt-3", prompt="x")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert missing.value.request_id
    with pytest.raises(openai.BadRequestError, match="temperature=9") as bad:
        openai_client.completions.create(model="tiny-text", prompt="x", temperature=9)
    assert (bad.value.type, bad.value.param) == ("invalid_request_error", "temperature")


def test_a_captioner_writes_no_text_and_a_language_model_no_captions(text_client: httpx2.Client) -> None:
    message = error(text_client.post(URL, json={"model": "tiny", "prompt": "x"}), 404, "model_not_found", "model")
    assert message == "tiny is a captioner, a language model is needed; there is tiny-text"
    response = text_client.post("/v1/captions?model=tiny-text", content=b"x")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_model"
    assert response.json()["error"]["message"] == "tiny-text is a language model, a captioner is needed; there is tiny"


def test_each_of_many_gets_what_it_would_get_alone(text_client: httpx2.Client, served_text: LanguageModel) -> None:
    wishes: list[dict[str, Any]] = [
        {"prompt": "A brown dog"[: 1 + n % 11], "seed": n, "max_tokens": 5 + 7 * (n % 9), "temperature": 0.3 * (n % 5)}
        for n in range(40)
    ]
    expected = [alone(served_text, **wish) for wish in wishes]

    def ask(n: int) -> str:
        if n % 2:
            chunks = events(text_client.post(URL, json={**wishes[n], "stream": True}))
            return "".join(chunk["choices"][0]["text"] for chunk in chunks)
        return str(text_client.post(URL, json=wishes[n]).json()["choices"][0]["text"])

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(ask, range(40))) == expected


@pytest.mark.parametrize(
    ("body", "code", "param", "says"),
    [
        ({"prompt": [1, 2, 3]}, "invalid_parameter", "prompt", "token numbers are not read"),
        ({"prompt": [[1, 2]]}, "invalid_parameter", "prompt", "token numbers are not read"),
        ({"prompt": []}, "invalid_parameter", "prompt", "a string is needed"),
        ({"prompt": ["a", 1]}, "invalid_parameter", "prompt", "a string is needed"),
        ({"prompt": {}}, "invalid_parameter", "prompt", "a string is needed"),
        ({"prompt": "x" * 1_000_001}, "prompt_too_long", "prompt", "at most 1,000,000"),
        ({"prompt": ["x"] * 129}, "invalid_parameter", "prompt", "at most 128 texts"),
        ({"prompt": ["x"] * 2, "n": 65}, "invalid_parameter", "n", "at most 128 texts"),
        ({"n": 0}, "invalid_parameter", "n", "n=0"),
        ({"n": 129}, "invalid_parameter", "n", "less than or equal to 128"),
        ({"n": True}, "invalid_parameter", "n", "integer"),
        ({"max_tokens": -1}, "invalid_parameter", "max_tokens", "greater than or equal to 0"),
        ({"max_tokens": 100_001}, "invalid_parameter", "max_tokens", "at most 100,000"),
        ({"max_tokens": 10**30}, "invalid_parameter", "max_tokens", "max_tokens=1000"),
        ({"max_tokens": "5"}, "invalid_parameter", "max_tokens", "integer"),
        ({"temperature": 2.1}, "invalid_parameter", "temperature", "less than or equal to 2"),
        ({"top_p": 0}, "invalid_parameter", "top_p", "greater than 0"),
        ({"top_k": -2}, "invalid_parameter", "top_k", "greater than or equal to -1"),
        ({"repetition_penalty": 0}, "invalid_parameter", "repetition_penalty", "greater than 0"),
        ({"seed": -(2**63) - 1}, "invalid_parameter", "seed", "greater than or equal to -9223372036854775808"),
        ({"stop": ""}, "invalid_parameter", "stop", "at least 1 character"),
        ({"stop": ["x"] * 17}, "invalid_parameter", "stop", "at most 16"),
        ({"stop": [[]] * 100_000 + ["a"]}, "invalid_parameter", "stop", "valid string"),
        ({"stop": 5}, "invalid_parameter", "stop", "stop=5: a string is needed, or a list of them"),
        ({"logprobs": 6}, "invalid_parameter", "logprobs", "less than or equal to 5"),
        ({"logprobs": True}, "invalid_parameter", "logprobs", "integer"),
        ({"logprobs": 1, "max_tokens": 20_001}, "invalid_parameter", "logprobs", "at most 20,000"),
        ({"logprobs": 0, "echo": True, "prompt": "x" * 20_000}, "invalid_parameter", "logprobs", "at most 20,000"),
        ({"suffix": "x"}, "invalid_parameter", "suffix", "not supported"),
        ({"presence_penalty": 0.5}, "invalid_parameter", "presence_penalty", "repetition_penalty"),
        ({"frequency_penalty": -0.5}, "invalid_parameter", "frequency_penalty", "repetition_penalty"),
        ({"logit_bias": {"50256": -100}}, "invalid_parameter", "logit_bias", "not supported"),
        ({"best_of": 2}, "invalid_parameter", "best_of", "only be n"),
        ({"stream_options": {"include_usage": True}}, "invalid_parameter", "stream_options", "stream=true"),
        ({"stream": "yes"}, "invalid_parameter", "stream", "boolean"),
        ({"temprature": 1}, "unknown_parameter", "temprature", "did you mean temperature?"),
        ({"messages": []}, "unknown_parameter", "messages", "prompt"),
        ({"model": 7}, "invalid_parameter", "model", "string"),
    ],
)
def test_what_is_wrong_is_told_in_openais_shape(
    text_client: httpx2.Client, body: dict[str, Any], code: str, param: str, says: str
) -> None:
    message = error(text_client.post(URL, json={"prompt": "x", **body}), 400, code, param)
    assert says in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"content": b"{"}, 400, "bad_json"),
        ({"content": b""}, 400, "bad_json"),
        ({"content": b"[1]"}, 400, "bad_json"),
        ({"content": b"[" * 100_000}, 400, "bad_json"),
        ({"content": b'{"prompt": "\xff"}'}, 400, "bad_json"),
        ({"content": b'{"prompt": "\\ud800"}'}, 400, "bad_json"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"data": {"prompt": "x"}}, 415, "unsupported_media_type"),
        ({"files": {"prompt": b"x"}}, 415, "unsupported_media_type"),
        ({"content": b"x" * 20_000_001}, 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_in_openais_shape(
    text_client: httpx2.Client, request_: dict[str, Any], status: int, code: str
) -> None:
    error(text_client.post(URL, **request_), status, code, None)


def test_another_method_is_told_in_openais_shape(text_client: httpx2.Client) -> None:
    error(text_client.get(URL), 405, "method_not_allowed", None)


def test_json_is_read_under_any_type(text_client: httpx2.Client) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"):
        response = text_client.post(URL, content=b'{"max_tokens": 1}', headers={"content-type": kind})
        assert response.status_code == 200, kind


def test_ranges_in_the_documentation_are_the_ranges_that_hold(text_client: httpx2.Client) -> None:
    document = text_client.get("/openapi.json").json()
    operation = document["paths"][URL]["post"]
    schema = operation["requestBody"]["content"]["application/json"]
    assert {"400", "404", "413", "415", "429", "500", "503"} < operation["responses"].keys()
    assert GenerationConfig.model_fields.keys() < schema["schema"]["properties"].keys()
    assert text_client.post(URL, json=schema["example"]).status_code == 200
    tried = 0
    for name, part in schema["schema"]["properties"].items():
        for bound in (part, *part.get("anyOf", ())):
            if "maximum" in bound:
                tried += 1
                assert text_client.post(URL, json={"max_tokens": 1, name: int(bound["maximum"])}).status_code == 200, (
                    name
                )
                error(text_client.post(URL, json={name: int(bound["maximum"]) + 1}), 400, "invalid_parameter", name)
    assert tried >= 6


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = [*CompletionRequest.model_fields, *GenerationConfig.model_fields]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), VALUES, max_size=4))
def test_no_request_is_the_servers_fault(text_client: httpx2.Client, changes: dict[str, Any]) -> None:
    body = {"prompt": "A", "max_tokens": 2, **changes}
    response = text_client.post(URL, content=json.dumps(body).encode())
    assert response.status_code in (200, 400, 404), response.text
    if response.status_code != 200:
        assert response.json()["error"]["message"]


def test_a_body_without_a_picture_has_a_limit_of_its_own(text_client: httpx2.Client) -> None:
    """6.6 million stop strings, as 20 MB of JSON, once took 6 GB and the event loop for half a minute."""
    body = b'{"stop":[' + b"[]," * 2_700_000 + b'"a"]}'
    error(text_client.post(URL, content=body), 413, "body_too_large", None)


def test_negative_seed_is_a_seed_and_a_negative_top_k_is_off(text_client: httpx2.Client) -> None:
    def write(seed: int, top_k: int) -> str:
        body = {"prompt": "ab", "seed": seed, "top_k": top_k, "max_tokens": 30, "temperature": 2}
        infer = {"inputs": "ab", "parameters": {"seed": seed, "top_k": top_k, "max_new_tokens": 30, "temperature": 2}}
        text = text_client.post(URL, json=body).json()["choices"][0]["text"]
        assert text_client.post("/models/tiny-text", json=infer).json()[0]["generated_text"] == f"ab{text}"
        return str(text)

    assert write(-1, -1) == write(-1, 0)
    assert write(-1, 0) != write(-2, 0)
    assert write(-(2**63), 0) != write(1, 0)


def test_prompt_that_comes_back_many_times_is_no_more_than_one_may_be(text_client: httpx2.Client) -> None:
    prompt = "ab" * 10_000
    for path, body in (
        (URL, {"prompt": prompt, "n": 51, "echo": True, "max_tokens": 0}),
        ("/models/tiny-text", {"inputs": prompt, "parameters": {"num_return_sequences": 51, "max_new_tokens": 0}}),
    ):
        refused = text_client.post(path, json=body)
        assert refused.status_code in (400, 422)
        assert "51 texts would begin with" in refused.text
