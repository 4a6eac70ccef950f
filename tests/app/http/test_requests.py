"""Uploads from query, form and JSON."""

import tracemalloc

import httpx2
import pytest

from app.errors import Refusal
from app.http.requests import WIDE_BYTES, _json_object, merge
from app.tasks.captioning.parameters import CaptionParameters


def test_sources_are_merged() -> None:
    assert merge(CaptionParameters, [("seed", "3"), ("prefix", "")], [("seed", 3), ("top_k", None)]) == {
        "seed": 3,
        "prefix": "",
    }
    assert merge(CaptionParameters, [("attention", "true"), ("top_k", "")], [("attention", True)]) == {
        "attention": True
    }
    with pytest.raises(Refusal, match="did you mean temperature"):
        merge(CaptionParameters, [("temprature", 1)])
    with pytest.raises(Refusal, match="there are image, model"):
        merge(CaptionParameters, [("zzz", 1)])


MEGABYTES = 5_000_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"stop": [' + b"[]," * (MEGABYTES // 3) + b"[]]}",
        b'{"stop": [' + b"{}," * (MEGABYTES // 3) + b"{}]}",
        b'{"image": [' + b"1.5," * (MEGABYTES // 4) + b"1]}",
        b"[" * MEGABYTES,
        b'{"a":' * (MEGABYTES // 5),
    ],
)
def test_json_of_too_many_values_is_refused_before_it_is_parsed(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as caught:
            _json_object(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad_json"
    assert peak < MEGABYTES


@pytest.mark.parametrize("wide", ["\U0001f600".encode(), b"\\ud83d\\ude00", "\xe9".encode(), b"\\u20ac"])
def test_large_json_has_one_byte_a_character(wide: bytes) -> None:
    body = b'{"image": "' + b"A" * WIDE_BYTES + b'%s"}'
    with pytest.raises(Refusal, match="may have ASCII alone"):
        _json_object(body.replace(b"%s", wide))
    assert len(_json_object(body.replace(b"%s", b"\\u002b\\/"))["image"]) == WIDE_BYTES + 2
    small = b'{"prefix": "%s"}'.replace(b"%s", wide)
    assert len(_json_object(small)["prefix"]) == 1


def test_text_has_eight_megabytes_in_every_contract(text_client: httpx2.Client) -> None:
    for path, name in (("/v1/completions", "prompt"), ("/models/tiny-text", "inputs")):
        body = b'{"%s": "%s"}' % (name.encode(), b"a" * 8_000_000)
        refused = text_client.post(path, content=body)
        assert (refused.status_code, "8,000,000 bytes" in refused.text) == (413, True)
        pieces = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
        assert text_client.post(path, content=pieces).status_code == 413
