"""Phrases of error messages."""

from hypothesis import given
from hypothesis import strategies as st

from model.messages import some


@given(st.lists(st.text("abc", min_size=1), max_size=8))
def test_three_names_are_shown_and_the_others_counted(names: list[str]) -> None:
    shown, _, more = some(names).partition(" and ")
    assert shown == ", ".join(names[:3])
    assert more == (f"{len(names) - 3} more" if len(names) > 3 else "")
