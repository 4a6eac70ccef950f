"""Characters that a text for a network cannot have."""

import unicodedata


def stray(text: str) -> str | None:
    """The first control character of a text, in words for a refusal, or None: tabs and the ends of lines and pages may
    be there.
    """
    for place, character in enumerate(text, start=1):
        if unicodedata.category(character) == "Cc" and character not in "\t\n\r\f":
            return f"has the control character U+{ord(character):04X} at place {place}; take it out"
    return None
