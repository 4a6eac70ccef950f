"""POST /v1/chat/completions: OpenAI's contract, with a picture, asked for with its client and by hand."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from huggingface_hub import InferenceClient
from PIL import Image

from app.http.body import parse
from app.tasks.captioning.openai import ChatRequest, _pieces
from model.tasks.captioning.captioner import Caption, Captioner, Word
from model.tasks.captioning.config import DecodingConfig

Encode = Callable[..., bytes]
URL = "/v1/chat/completions"


@pytest.fixture
def uri(encode: Encode, picture: Image.Image) -> str:
    """A picture as a data: URI."""
    return f"data:image/png;base64,{base64.b64encode(encode(picture)).decode()}"


def ask(*parts: dict[str, Any]) -> list[Any]:
    """The messages of a user who says one thing."""
    return [{"role": "system", "content": "Describe pictures."}, {"role": "user", "content": list(parts)}]


def about(url: str) -> list[Any]:
    """The messages of a user who asks about a picture."""
    return ask({"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}})


def expected(served: Captioner, picture: Image.Image, **decoding: Any) -> list[str]:
    config = DecodingConfig.model_validate({**served.config.decoding.model_dump(), **decoding})
    return [caption.text for caption in served.caption([picture], config)[0]]


def test_openais_client_gets_a_caption(
    openai_client: openai.OpenAI, served: Captioner, picture: Image.Image, uri: str
) -> None:
    answer = openai_client.chat.completions.create(
        model="tiny", messages=about(uri), max_tokens=300, temperature=0, logprobs=True, user="somebody", stop=[]
    )
    (choice,) = answer.choices
    assert [choice.message.content] == expected(served, picture)
    assert (choice.message.role, choice.message.refusal, choice.finish_reason) == ("assistant", None, "stop")
    assert (answer.object, answer.model) == ("chat.completion", "tiny")
    ((caption,),) = served.caption([picture])
    assert choice.logprobs
    assert choice.logprobs.content
    assert [token.token for token in choice.logprobs.content] == [token.text for token in caption.tokens]
    assert choice.logprobs.content[0].logprob == pytest.approx(caption.tokens[0].logprob, abs=1e-4)
    assert answer.usage
    assert answer.usage.completion_tokens == answer.usage.total_tokens == len(caption.tokens)
    card = openai_client.models.retrieve("tiny")
    assert answer.system_fingerprint
    assert str((card.model_extra or {})["sha256"]).startswith(answer.system_fingerprint)


def test_openais_client_reads_a_stream(
    openai_client: openai.OpenAI, served: Captioner, picture: Image.Image, uri: str
) -> None:
    with openai_client.chat.completions.create(
        model="tiny", messages=about(uri), n=3, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    texts = ["", "", ""]
    reasons: list[str | None] = [None] * 3
    for chunk in chunks[:-1]:
        (choice,) = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        reasons[choice.index] = choice.finish_reason
        assert reasons[choice.index] is None or not choice.delta.content
    assert texts == expected(served, picture, num_captions=3)
    assert reasons == ["stop"] * 3
    assert len(chunks) - 1 == sum(len(text.split()) + 2 for text in texts)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == sum(len(text.split()) for text in texts)


def test_openais_client_samples_as_it_asks(openai_client: openai.OpenAI, uri: str) -> None:
    def sample(seed: int) -> list[str | None]:
        answer = openai_client.chat.completions.create(
            model="tiny", messages=about(uri), temperature=1.8, seed=seed, n=4, max_completion_tokens=5
        )
        assert all(len((choice.message.content or "").split()) <= 5 for choice in answer.choices)
        return [choice.message.content for choice in answer.choices]

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)
    assert len(set(sample(1))) > 1


def test_parameters_of_decoding_stand_beside_openais(
    openai_client: openai.OpenAI, served: Captioner, picture: Image.Image, uri: str
) -> None:
    answer = openai_client.chat.completions.create(
        model="tiny", messages=about(uri), extra_body={"prefix": "two children", "beam_size": 5}
    )
    assert [answer.choices[0].message.content] == expected(served, picture, prefix="two children", beam_size=5)
    short = openai_client.chat.completions.create(model="tiny", messages=about(uri), max_tokens=2)
    assert (len((short.choices[0].message.content or "").split()), short.choices[0].finish_reason) == (2, "length")


def test_the_last_picture_of_a_conversation_counts(
    openai_client: openai.OpenAI, served: Captioner, pictures: list[Image.Image], encode: Encode
) -> None:
    first, second = (f"data:image/png;base64,{base64.b64encode(encode(image)).decode()}" for image in pictures[:2])
    messages = [*about(first), {"role": "assistant", "content": "a dog"}, *about(second)]
    question = [{"role": "assistant", "content": "a cat"}, {"role": "user", "content": "What colour is it?"}]
    for asked in (messages, [*messages, *question]):
        answer = openai_client.chat.completions.create(model="tiny", messages=asked)
        assert [answer.choices[0].message.content] == expected(served, pictures[1])


def test_log_probabilities_stand_beside_their_words_in_a_stream(openai_client: openai.OpenAI, uri: str) -> None:
    whole = openai_client.chat.completions.create(model="tiny", messages=about(uri), logprobs=True)
    with openai_client.chat.completions.create(model="tiny", messages=about(uri), logprobs=True, stream=True) as stream:
        choices = [chunk.choices[0] for chunk in stream]
    told = [choice.logprobs.content or [] if choice.logprobs else [] for choice in choices]
    assert [len(tokens) for tokens in told] == [0, *[1] * (len(choices) - 2), 0]
    for choice, tokens in list(zip(choices, told, strict=True))[1:-1]:
        assert (choice.delta.content or "").strip() == tokens[0].token
    assert whole.choices[0].logprobs
    assert [token for tokens in told for token in tokens] == whole.choices[0].logprobs.content


def test_a_word_tied_to_the_one_before_it_is_a_piece_of_its_own() -> None:
    words = tuple(Word(text, -1.0, None) for text in ("the", "man", "'s", "dog"))
    caption = Caption("the man's dog", -4.0, 0.5, 0.5, "stop", words)

    async def content() -> list[str]:
        return [piece["delta"].get("content", "") async for piece in _pieces([caption], logprobs=False)]

    assert asyncio.run(content()) == ["", "the", " man", "'s", " dog", ""]


def test_a_low_temperature_searches_and_a_high_one_draws(
    openai_client: openai.OpenAI, served: Captioner, picture: Image.Image, uri: str
) -> None:
    for temperature in (0, 0.1, 0.3, 0.9):
        request = parse(ChatRequest, {"messages": about(uri), "temperature": temperature})
        assert request.decoding(served.config.decoding) == served.config.decoding
        answer = openai_client.chat.completions.create(model="tiny", messages=about(uri), temperature=temperature)
        assert [answer.choices[0].message.content] == expected(served, picture)
    drawn = openai_client.chat.completions.create(model="tiny", messages=about(uri), temperature=1.2, seed=1, n=4)
    asked = {"method": "sample", "num_captions": 4, "temperature": 1.2, "seed": 1}
    assert sorted(str(choice.message.content) for choice in drawn.choices) == sorted(expected(served, picture, **asked))


def test_wordpress_gets_the_checkpoints_own_caption(
    text_client: httpx2.Client, served: Captioner, picture: Image.Image, uri: str
) -> None:
    """The request of WordPress's AI plugin for alternative text, as its PHP client writes it.

    Includes/Abilities/Image/Alt_Text_Generation.php of WordPress/ai, through the text generation of
    WordPress/php-ai-client for servers that are compatible with OpenAI.
    """
    system = "You are an accessibility expert that generates alt text for images on websites."
    prompt = (
        "Generate alt text for this image. Ensure the alt text you return matches the language of this locale: en_US."
    )
    parts = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": uri}}]
    messages = [
        {"role": "system", "content": [{"type": "text", "text": system}]},
        {"role": "user", "content": parts},
    ]
    body = json.dumps({"model": "tiny", "messages": messages, "temperature": 0.3}).replace("/", "\\/")  # as PHP does
    headers = {"content-type": "application/json", "authorization": "Bearer any"}
    answers = [text_client.post(URL, content=body, headers=headers).raise_for_status().json() for _ in range(3)]
    for answer in answers:
        (choice,) = answer["choices"]
        assert [choice["message"]["content"]] == expected(served, picture)  # and not another each time
        assert choice["message"]["role"] == "assistant"
        assert choice["finish_reason"] == "stop"
        assert answer["usage"].keys() >= {"prompt_tokens", "completion_tokens", "total_tokens"}


def test_a_negative_seed_is_a_seed_and_a_negative_top_k_is_off(openai_client: openai.OpenAI, uri: str) -> None:
    def sample(seed: int, top_k: int) -> list[str | None]:
        answer = openai_client.chat.completions.create(
            model="tiny", messages=about(uri), seed=seed, extra_body={"top_k": top_k}, temperature=1.8, n=4
        )
        return [choice.message.content for choice in answer.choices]

    assert sample(-1, -1) == sample(-1, 0) != sample(-(2**63), 0)


def test_huggingfaces_client_chats_with_a_model_at_its_address(
    text_client: httpx2.Client, served: Captioner, picture: Image.Image, uri: str
) -> None:
    client = InferenceClient(model=f"{text_client.base_url}/models/tiny")
    answer = client.chat_completion(about(uri), max_tokens=100)
    assert [answer.choices[0].message.content] == expected(served, picture)
    chunks = list(client.chat_completion(about(uri), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content
    at_v1 = InferenceClient(base_url=f"{text_client.base_url}/v1")
    assert at_v1.chat_completion(about(uri), model="tiny").choices == answer.choices


def test_openais_client_understands_what_goes_wrong(openai_client: openai.OpenAI, uri: str) -> None:
    with pytest.raises(openai.NotFoundError, match="tiny-text is a language model, a captioner is needed") as missing:
        openai_client.chat.completions.create(model="tiny-text", messages=about(uri))
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="can't chat; send a part") as textual:
        openai_client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "Hello!"}])
    assert (textual.value.param, textual.value.type) == ("messages", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="URLs are not fetched") as fetched:
        openai_client.chat.completions.create(model="tiny", messages=about("https://example.com/cat.jpg"))
    assert (fetched.value.code, fetched.value.param) == ("url_not_fetched", "messages")
    with pytest.raises(openai.BadRequestError, match="not a picture") as damaged:
        openai_client.chat.completions.create(model="tiny", messages=about("data:image/png;base64,aGVsbG8="))
    assert damaged.value.code == "not_an_image"


PICTURE = {
    "type": "image_url",
    "image_url": {"url": "data:image/gif;base64,R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs="},
}


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        ({}, 400, "messages", "required"),
        ({"messages": []}, 400, "messages", "list of messages"),
        ({"messages": "hello"}, 400, "messages", "list of messages"),
        ({"messages": [1]}, 400, "messages", "list of messages"),
        ({"messages": [{"role": "assistant", "content": [PICTURE]}]}, 400, "messages", "role user"),
        ({"messages": [{"role": "user"}]}, 400, "messages", "no picture"),
        ({"messages": [{"role": "user", "content": {}}]}, 400, "messages", "no picture"),
        ({"messages": ask(PICTURE, PICTURE)}, 400, "messages", "has 2 pictures"),
        ({"messages": ask({"type": "image_url"})}, 400, "messages", "no URL"),
        ({"messages": ask({"type": "image_url", "image_url": {"url": 1}})}, 400, "messages", "no URL"),
        ({"messages": ask({"type": "image_url", "image_url": "%"})}, 400, "messages", "not base64"),
        ({"messages": ask(PICTURE), "n": 11}, 400, "n", "less than or equal to 10"),
        ({"messages": ask(PICTURE), "n": 5, "beam_size": 2}, 400, "n", "n=5 is above beam_size=2"),
        ({"messages": ask(PICTURE), "temperature": 3}, 400, "temperature", "less than or equal to 2"),
        ({"messages": ask(PICTURE), "beam_size": 11}, 400, "beam_size", "less than or equal to 10"),
        ({"messages": ask(PICTURE), "max_tokens": 0}, 400, "max_tokens", "greater than or equal to 1"),
        ({"messages": ask(PICTURE), "max_tokens": 1, "min_length": 3}, 400, "min_length", "max_completion_tokens=1"),
        ({"messages": ask(PICTURE), "stop": ["x"]}, 400, "stop", "a caption ends by itself"),
        ({"messages": ask(PICTURE), "tools": [{"type": "function"}]}, 400, "tools", "not supported"),
        ({"messages": ask(PICTURE), "response_format": {"type": "json_object"}}, 400, "response_format", "plain text"),
        ({"messages": ask(PICTURE), "prefix": "zyzzyva"}, 400, "prefix", "zyzzyva"),
        ({"messages": ask(PICTURE), "beamsize": 1}, 400, "beamsize", "did you mean beam_size?"),
        ({"messages": ask(PICTURE), "stream_options": {"include_usage": True}}, 400, "stream_options", "stream=true"),
    ],
)
def test_what_is_wrong_is_told_in_openais_shape(
    text_client: httpx2.Client, body: dict[str, Any], status: int, param: str, says: str
) -> None:
    for url in (URL, "/models/tiny/v1/chat/completions"):
        response = text_client.post(url, json=body)
        assert response.status_code == status, response.text
        assert response.json()["error"].keys() == {"message", "type", "param", "code"}
        assert (response.json()["error"]["param"], response.json()["error"]["type"]) == (param, "invalid_request_error")
        assert says in response.json()["error"]["message"]


def test_what_says_nothing_changes_nothing(text_client: httpx2.Client, uri: str) -> None:
    plain = text_client.post(URL, json={"messages": about(uri)}).raise_for_status().json()
    nothing = {
        "frequency_penalty": 0.0,
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "logit_bias": None,
        "metadata": {"a": "b"},
        "store": False,
    }
    same = text_client.post(URL, json={"messages": about(uri), **nothing}).raise_for_status().json()
    assert same["choices"] == plain["choices"]


def test_the_documentations_example_works(text_client: httpx2.Client) -> None:
    operation = text_client.get("/openapi.json").json()["paths"][URL]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert DecodingConfig.model_fields.keys() < content["schema"]["properties"].keys()
    assert text_client.post(URL, content=json.dumps(content["example"])).status_code == 200
    assert {"400", "404", "413", "415", "429", "503", "504"} < operation["responses"].keys()
