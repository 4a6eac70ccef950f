"""Pictures that are none, or odd: over a socket, each with the answer that was promised."""

import struct
import zlib
from collections.abc import Callable

import httpx2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

Encode = Callable[..., bytes]
URL = "/v1/captions"


def ask(client: httpx2.Client, data: bytes, name: str = "photo.jpg") -> httpx2.Response:
    return client.post(URL, files={"image": (name, data, "image/jpeg")})


def check_refused(client: httpx2.Client, data: bytes, status: int, code: str) -> str:
    """Sends it in a form and bare; both must be refused alike. Returns the message."""
    messages = set()
    for response in (ask(client, data), client.post(URL, content=data)):
        found = response.json()["error"]
        assert (response.status_code, found["code"], found["field"]) == (status, code, "image")
        messages.add(found["message"])
    (message,) = messages
    return str(message)


def png_header(width: int, height: int) -> bytes:
    """A PNG of that size, by its header; its pixels are missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_an_empty_body(client: httpx2.Client) -> None:
    assert "empty" in check_refused(client, b"", 400, "empty_image")


def test_a_text_file_named_jpg(client: httpx2.Client) -> None:
    message = check_refused(client, b"Dear diary, today I saw a dog.\n" * 50, 400, "not_an_image")
    assert "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF" in message


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_truncated_file(client: httpx2.Client, encode: Encode, picture: Image.Image, format: str) -> None:
    data = encode(picture, format)
    assert ask(client, data).status_code == 200
    message = check_refused(client, data[: len(data) // 2], 400, "damaged_image")
    assert format.lower() in message.lower()


@pytest.mark.parametrize("size", [(60_000, 60_000), (8_001, 8_000), (12_000, 9_000)])
def test_too_many_pixels_by_the_header(client: httpx2.Client, size: tuple[int, int]) -> None:
    message = check_refused(client, png_header(*size), 422, "image_too_large")
    assert "64,000,000" in message


def test_too_long_a_side(client: httpx2.Client) -> None:
    assert "30,000" in check_refused(client, png_header(40_000, 1), 422, "image_too_large")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41", "MP4"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\1\0\1\0\x10\x10", "ICO"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"P6\n2 2\n255\n", "Netpbm"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
    ],
)
def test_a_format_that_is_not_read(client: httpx2.Client, data: bytes, kind: str) -> None:
    message = check_refused(client, data, 415, "unsupported_format")
    assert kind in message
    assert "JPEG" in message


def test_odd_pictures_that_are_read(client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    cases = {
        "1x1": (encode(Image.new("RGB", (1, 1))), (1, 1, "PNG")),
        "CMYK JPEG": (encode(picture.convert("CMYK"), "JPEG"), (96, 64, "JPEG")),
        "palette GIF": (encode(picture.convert("P"), "GIF"), (96, 64, "GIF")),
        "rotated EXIF": (encode(picture, "JPEG", exif=exif), (64, 96, "JPEG")),
        "16-bit PNG": (encode(deep), (96, 64, "PNG")),
        "RGBA WebP": (encode(picture.convert("RGBA"), "WEBP"), (96, 64, "WebP")),
        "30,000x1": (encode(Image.new("L", (30_000, 1))), (30_000, 1, "PNG")),
    }
    for name, (data, (width, height, format)) in cases.items():
        response = ask(client, data)
        assert response.status_code == 200, (name, response.text)
        body = response.json()
        assert body["image"] == {"width": width, "height": height, "format": format}, name
        assert body["captions"], name


def test_a_picture_on_its_side_gets_the_caption_of_the_upright_one(
    client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    lying = encode(picture.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    upright = ask(client, encode(picture)).json()["captions"]
    assert ask(client, lying).json()["captions"] == upright
    assert ask(client, encode(picture.transpose(Image.Transpose.ROTATE_90))).json()["captions"] != upright


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_make_the_server_fail(
    client: httpx2.Client, encode: Encode, picture: Image.Image, data: st.DataObject
) -> None:
    format = data.draw(st.sampled_from(["", "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]))
    body = bytearray(encode(picture, format) if format else data.draw(st.binary(max_size=300)))
    if body:
        for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=12)):
            body[place] = data.draw(st.integers(0, 255))
        del body[data.draw(st.integers(1, len(body))) :]
    response = client.post(URL, content=bytes(body), headers={"content-type": "image/png"})
    assert response.status_code in (200, 400, 415, 422), response.text
    if response.status_code != 200:
        assert response.json()["error"]["request_id"] == response.headers["x-request-id"]
