"""Pictures in text: all ways to write base64, and what is none."""

import base64
import random
import tracemalloc

import pytest

from app.errors import Refusal
from app.http.encoded import decode


def test_base64_is_decoded_slice_by_slice() -> None:
    data = random.Random(1).randbytes(2_500_001)
    text = base64.b64encode(data).decode()
    escaped = text.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")
    wrapped = base64.encodebytes(data).decode()
    urlsafe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for written in (text, text.rstrip("="), escaped, wrapped, wrapped.replace("\n", "\r\n"), urlsafe, f" \n{text}\n"):
        assert decode(written, "image") == data
        assert decode(f"data:image/png;base64,{written}", "image") == data


@pytest.mark.parametrize(
    "text",
    [
        "A" * 999_998 + "==" + "AAAA",
        "A" * 999_996 + "AA==" + "A" * 1_000_000,
        "A" * 1_500_000 + "!",
        "A" * 1_000_001,
        "A" * 1_500_000 + "\u20ac",
        "%" * 3_000_000,
        "%41" * 1_000_000,
        "data:;base64," + "%" * 3_000_000,
        "data:," + "%41" * 1_000_000,
    ],
)
def test_text_that_is_not_base64_is_refused_without_being_copied(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as caught:
            decode(text, "image")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad_base64"
    assert peak < 12_000_000
