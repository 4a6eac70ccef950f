"""Forms, well-formed and hostile, over a socket and alone."""

import asyncio
import base64
import tracemalloc
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from PIL import Image

from app.errors import Refusal
from app.http.forms import MAX_FIELDS, Fields, parse_multipart, parse_urlencoded

Encode = Callable[..., bytes]
URL = "/v1/captions"
TYPE = "multipart/form-data; boundary=B"
MEGABYTES = 5_000_000


def part(disposition: str, data: bytes, more: str = "") -> bytes:
    return f"--B\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n".encode() + data + b"\r\n"


def parse(*parts: bytes, content_type: str = TYPE, most: int = 1) -> Fields:
    async def pieces() -> AsyncIterator[bytes]:
        body = b"".join(parts) + b"--B--\r\n"
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    return asyncio.run(parse_multipart(content_type, pieces(), most))


@pytest.mark.parametrize("charset", ["undefined", "utf-16", "rot13", "idna", "punycode", "latin-1", "nothing", ""])
def test_form_is_utf8_whatever_it_declares(client: httpx2.Client, charset: str) -> None:
    text = part('name="prefix"', "caf\xe9".encode())
    assert parse(text, content_type=f"{TYPE}; charset={charset}") == [("prefix", "caf\xe9")]
    headers = {"content-type": f"{TYPE}; charset={charset}"}
    answer = client.post(URL, content=text + b"--B--\r\n", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "missing_image")


@pytest.mark.parametrize(
    "disposition",
    [
        'name="image"; filename="a.png"',
        "name=image; filename=a.png",
        'name="image"; filename=""',
        "name=\"image\"; filename*=UTF-8''%e2%82%ac.png",
        "filename*=UTF-8''a.png; name=\"image\"",
        'name="image"; FileName*="a"',
        "name=\"image\"; filename=a; filename*=UTF-8''a",
    ],
)
def test_part_with_a_file_name_of_any_kind_is_a_file(
    client: httpx2.Client, encode: Encode, picture: Image.Image, disposition: str
) -> None:
    body = part(disposition, encode(picture)) + b"--B--\r\n"
    assert client.post(URL, content=body, headers={"content-type": TYPE}).status_code == 200


def test_file_name_within_a_name_makes_no_file() -> None:
    assert parse(part('name="a; filename*=x"', b"1")) == [("a; filename*=x", "1")]


def test_text_that_is_not_utf8_is_latin1() -> None:
    assert parse(part('name="prefix"', b"caf\xe9")) == [("prefix", "caf\xe9")]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([part('name="a"', b"")] * (MAX_FIELDS + 2), "bad_form"),
        ([part('name="image"; filename=a', b"")] * 9, "too_many_images"),
        ([part('name="other"; filename=a', b"")], "unknown_parameter"),
        ([part("filename=a", b"")], "bad_form"),
        ([b"--B\r\n" + b"a: b\r\n" * 100 + b"\r\n"], "bad_form"),
        ([b"no form at all"], "bad_form"),
    ],
)
def test_form_that_is_not_read_says_why(parts: list[bytes], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(*parts)
    assert caught.value.code == code


@pytest.mark.parametrize("filler", [b"A", b"\r\n", b"\r", b"\r\n--", b"\r\n--C", "\U0001f600".encode()])
@pytest.mark.parametrize("disposition", ['name="image"; filename=a', 'name="image"', 'name="prefix"'])
def test_multipart_takes_no_more_than_a_few_times_its_size(disposition: str, filler: bytes) -> None:
    data = b"x" + filler * (MEGABYTES // len(filler))
    tracemalloc.start()
    try:
        (pair,) = parse(part(disposition, data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pair[1]) == len(data)
    assert peak < 8 * MEGABYTES  # most of it the body, whole and in its parts


@pytest.mark.parametrize(
    "body",
    [
        b"image=x" + b"&b" * (MEGABYTES // 2),
        b"image=" + b"%41" * (MEGABYTES // 3),
        b"image=" + b"%" * MEGABYTES,
        b"image=" + b"%2B" * (MEGABYTES // 3),
        b"%61" * (MEGABYTES // 3) + b"=1",
    ],
)
def test_urlencoding_takes_no_more_than_a_few_times_its_size(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match="fields") if b"&" in body else pytest.MonkeyPatch.context():
            parse_urlencoded(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * MEGABYTES + 20_000_000


def test_urlencoded_base64_of_any_length_is_read(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    large = encode(Image.effect_noise((700, 700), 64))
    assert len(large) > 200_000
    for data in (encode(picture), large):
        for text in (base64.b64encode(data).decode(), f"data:image/png;base64,{base64.b64encode(data).decode()}"):
            answer = client.post(URL, data={"image": text, "beam_size": "1"})
            assert answer.status_code == 200, answer.text
