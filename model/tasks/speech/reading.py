"""A text to the words and pauses that one says."""

import re
import unicodedata
from collections.abc import Container
from typing import NamedTuple

from model.tasks.speech.numbers import in_words

PAUSES = ",.?!"
"""Signs at which one pauses; the others stand for one of them, or are said, or not at all."""
LONGEST_SPELLED = 5
"""Letters of the longest word in capitals that is spelled if the dictionary has not got it."""
_SIGNS = {
    **dict.fromkeys(";:()[]{}–—…", ","),
    **dict.fromkeys('“”„«»"\u2039\u203a*`', " "),
    **dict.fromkeys("\u2018\u2019", "'"),
    "&": " and ",
    "%": " percent ",
    "@": " at ",
    "#": " pound ",
    "+": " plus ",
    "=": " equals ",
    "/": " slash ",
    "\\": " backslash ",
    "_": " underscore ",
    "~": " tilde ",
    "^": " caret ",
    "|": " pipe ",
    "<": " less than ",
    ">": " greater than ",
    "\u2044": " over ",
    "°": " degrees ",
    "$": " dollars ",
    "€": " euros ",
    "£": " pounds ",
    "¿": " ",
    "¡": " ",
}
"""Sign -> the pause or the words that it is read as."""
_TOKENS = re.compile(rf"[A-Za-z'][A-Za-z']*|[{PAUSES}]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_LETTERS = {"æ": "ae", "œ": "oe", "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "th", "þ": "th"}
_ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "miss",
    "dr": "doctor",
    "st": "saint",
    "vs": "versus",
    "etc": "et cetera",
    "no": "number",
    "ext": "extension",
    "dept": "department",
    "approx": "approximately",
}
"""Words before a full stop that does not end a sentence. `no.` is one before a number alone."""


class UnsayableError(ValueError):
    """A text with nothing to say, or with characters that there are no words for."""


class Word(NamedTuple):
    """A word in lower case, of letters and apostrophes."""

    text: str
    spelled: bool = False
    """Whether it is a letter that is said by its name."""


Part = Word | str
"""A word, or one of `PAUSES`."""


def read(text: str, known: Container[str]) -> list[Part]:
    """The words and pauses of a text; no pause comes first, and no two stand together.

    Short words in capitals are spelled unless they are `known`.

    Raises:
        UnsayableError: names the characters that can't be said, or says that there is nothing to say.
    """
    parts: list[Part] = []
    for token in _TOKENS.findall(_plain(text)):
        if token not in PAUSES:
            inside = bool(parts) and isinstance(parts[-1], Word)
            parts += _words(token, inside, known)
        elif parts and isinstance(parts[-1], str):
            parts[-1] = max(parts[-1], token, key=PAUSES.index)
        elif parts:
            parts.append(token)
    if not any(isinstance(part, Word) for part in parts):
        raise UnsayableError("there is nothing to say in the text: it has no words, letters or numbers")
    return parts


def _words(token: str, inside: bool, known: Container[str]) -> list[Word]:
    """The word that a token is, or its letters; `inside` a sentence, a capital A is a letter."""
    word = token.strip("'").lower()
    if not word:
        return []
    if len(word) == 1:
        article = word == "a" and (token == "a" or not inside)
        return [Word(word, spelled=not article)]
    if token.isupper() and len(word) <= LONGEST_SPELLED and word not in known:
        return [Word(letter, spelled=True) for letter in word if letter != "'"]
    return [Word(word)]


def _plain(text: str) -> str:
    """A text of ASCII letters and pauses, with numbers in words."""
    text = unicodedata.normalize("NFKD", text)
    text = "".join(character for character in text if not unicodedata.combining(character))
    text = "".join(_LETTERS.get(c, _LETTERS.get(c.lower(), "").title() or c) for c in text)
    strange = {c for c in text if not (c.isascii() or c in _SIGNS or c.isspace())} | set(_CONTROL.findall(text))
    if strange:
        shown = ", ".join(map(repr, sorted(strange)[:10]))
        more = f" and {len(strange) - 10} more" if len(strange) > 10 else ""
        raise UnsayableError(f"{shown}{more} can't be said; English letters, numbers and signs can")
    text = re.sub(r"\bhttps?://|\bmailto:", "", text)
    text = re.sub(r"(?<=\w)\.(?=[A-Za-z]{2})|(?<=[a-z]{2})\.(?=\w)", " dot ", text)  # of addresses
    text = _abbreviated(text)
    text = in_words(text)
    text = "".join(_SIGNS.get(character, character) for character in text)
    text = re.sub(r"\b(?:[A-Za-z]\.){2,}(?=(\s+[A-Z]|\s*$)?)", _initials, text)
    text = re.sub(r"(?<=\s)-+(?=\s)", ",", text)
    return re.sub(r"\n\s*\n", ". ", text)


def _initials(found: re.Match[str]) -> str:
    """`U.S.` as its letters, with a full stop where a sentence ends."""
    return " ".join(found[0].upper().split(".")).strip() + ("." if found[1] is not None else " ")


def _abbreviated(text: str) -> str:
    def whole(found: re.Match[str]) -> str:
        name = found[1].lower()
        if name == "no" and not found[2].strip()[:1].isdigit():
            return found[0]
        return f"{_ABBREVIATIONS[name]}{found[2]}"

    return re.sub(rf"\b({'|'.join(_ABBREVIATIONS)})\.(\s+\S)", whole, text, flags=re.IGNORECASE)
