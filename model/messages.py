"""Phrases that error messages share."""

from collections.abc import Sequence


def some(names: Sequence[object], separator: str = ", ") -> str:
    """The first three of many names, and the number of the others."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return separator.join(map(str, names[:3])) + more
