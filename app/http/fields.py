"""Refusals that name a field: what is wrong with it, and what would be right."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from reprlib import Repr

from app.errors import Refusal

_NAME_CHARS = 100
"""Most characters of an unknown name that are compared and repeated: comparing takes time by their square."""
_SHORT = Repr()
"""Shows the first few items of a list or an object, at any depth, and the beginning of a text."""
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = 20
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 1000


def shown(value: object) -> str:
    """A value for a message, cut where it is long. Only the beginning of a long value is looked at."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unknown(name: str, names: Collection[str]) -> Refusal:
    """The refusal of a parameter that is not among `names`."""
    close = difflib.get_close_matches(name[:_NAME_CHARS], names, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return Refusal("unknown_parameter", f"unknown parameter {shown(name)}; {hint}", name[:_NAME_CHARS])


def invalid(name: str, value: object, reason: str) -> Refusal:
    """The refusal of a parameter that has the wrong type or is out of range."""
    return Refusal("invalid_parameter", f"{name}={shown(value)}: {reason[0].lower()}{reason[1:]}", name)


@contextmanager
def errors_in_terms_of(names: Mapping[str, str]) -> Iterator[None]:
    """Rename our parameters in refusals to the caller's words: `names`, ours to theirs."""
    try:
        yield
    except Refusal as error:
        error.message = re.sub("|".join(rf"\b{name}\b" for name in names), lambda ours: names[ours[0]], error.message)
        error.field = names.get(error.field or "", error.field)
        raise
