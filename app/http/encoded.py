"""Pictures in text: base64, of either alphabet and wrapped or not, and data: URIs."""

import re
from contextlib import suppress
from urllib.parse import unquote_to_bytes

import pybase64

from app.errors import Refusal

_SLICE = 1_000_000
"""Characters that are decoded in one go: a multiple of four."""
_ESCAPED_BYTES = 1_000_000
"""Most characters of a data: URI that is not in base64: its escapes take a hundred times their memory."""
_ALPHABET = bytes.maketrans(b" -_", b"++/")
"""A plus sign in a form that was not URL-encoded arrives as a space."""
_ESCAPES = [(f"%{code:02{case}}", chr(code)) for code in b"+/=\r\n " for case in "xX"]
"""Escapes that base64 may have. To look for all others takes a hundred times the memory of the text."""


def decode(text: str, field: str) -> bytes:
    """A picture in a field's text.

    Raises:
        Refusal: the text is neither base64 nor a data: URI.
    """
    scheme = re.match(r"\s*([a-z][a-z0-9+.-]+):", text[:64], re.IGNORECASE)
    if scheme and scheme[1].lower() == "data":
        header, comma, text = text.partition(",")
        if not comma:
            raise Refusal("bad_base64", "this data: URI has no comma; data:image/jpeg;base64,... is needed", field)
        if not header.lower().rstrip().endswith(";base64"):
            if len(text) > _ESCAPED_BYTES:
                message = f"a data: URI of more than {_ESCAPED_BYTES:,} characters has to be in base64"
                raise Refusal("bad_base64", message, field)
            return unquote_to_bytes(text)
    elif scheme:
        message = f"{scheme[1][:20]}: URLs are not fetched; send the picture's bytes, or base64 of them"
        raise Refusal("url_not_fetched", message, field)
    try:
        return _base64(text.strip())
    except ValueError as error:
        message = f"{field} is not base64; to upload a file, use a form's file field, or send its bytes as the body"
        raise Refusal("bad_base64", message, field) from error


def _base64(text: str) -> bytes:
    """The bytes of base64, a slice at a time: copies of a long text would be as long, and hold up everyone else.

    Raises:
        ValueError: it is not base64.
    """
    pieces, rest, start = [], b"", 0
    while start < len(text):
        end = min(start + _SLICE, len(text))
        if end < len(text) and "%" in text[end - 2 : end]:
            end = text.rindex("%", start, end)
        part, start = text[start:end], end
        if not rest and (start == len(text) or part[-1] != "="):
            with suppress(ValueError):  # as most send it, in a tenth of the time that the rest takes
                pieces.append(pybase64.b64decode(part, validate=True))
                continue
        data = rest + unescaped(part).encode("ascii").translate(_ALPHABET, b"\r\n\t")
        if start == len(text):
            data = data.rstrip(b"=")
            data += b"=" * (-len(data) % 4)
        elif b"=" in data:
            raise ValueError("there is more after its end")
        whole = len(data) - len(data) % 4
        pieces.append(pybase64.b64decode(data[:whole], validate=True))
        rest = data[whole:]
    return b"".join(pieces)


def unescaped(base64: str) -> str:
    """Base64 without the percent-encoding that it may have; half of it being percent signs, it is left as it is."""
    if base64.count("%") > len(base64) // 2:
        return base64
    for code, character in _ESCAPES:
        base64 = base64.replace(code, character)
    return base64
