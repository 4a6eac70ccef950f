"""Traits of a text, character by character."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.lab.traits import TRAITS

VALUES: dict[str, Callable[[str], list[float]]] = {trait.name: trait.values for trait in TRAITS}

EXAMPLES = [
    ("column", "ab\nc\n\nd", "1201001"),
    ("word", "ab c3de", "1201012"),
    ("lines", "a\nb\n\nc\n", "0112001"),
    ("indentation", "\t\ta\tb\n\tc", "12222011"),
    # The colon closes the name; a name is a line of its own after an empty one.
    ("speaker", "x.\n\nROMEO:\nO:\n", "00011111100000"),
    ("speaker", "x.\nROMEO:\nO", "00000000000"),
    ("string", 'a "b\\"c" d', "0011111000"),
    ("string", 'a \'"\' "b" /* "c */ d', "00000011000000000000"),
    ("comment", 'x /* y */ z "/* n */"', "001111110000000000000"),
    ("comment", "x // y\nz", "00111000"),
    ("preprocessor", "#if\\\nx\ny\n", "111111000"),
    ("braces", "f{{}g}}x", "01211000"),
    ("braces", "{{\n}x", "12200"),
    ("parentheses", "a(b(c)", "011221"),
    ("parentheses", "(a\n\nb", "11100"),
    ("inline-maths", "a $b$ c $$d$$ \\$e $f$", "001100000000000000110"),
    ("display-maths", "a $b$ c $$d$$ e", "000000001111000"),
    ("proof", "\\begin{proof}a\\end{proof}b", "1" * 24 + "00"),
]


@pytest.mark.parametrize(("name", "text", "expected"), EXAMPLES)
def test_traits(name: str, text: str, expected: str) -> None:
    assert VALUES[name](text) == [float(digit) for digit in expected]


def test_every_trait_has_an_example() -> None:
    assert {name for name, *_ in EXAMPLES} == set(VALUES)
    assert len(VALUES) == len(TRAITS)


@given(text=st.text(alphabet="a(){}$\"'\\/*#\n\t: B"))
def test_any_text_has_a_value_at_each_place(text: str) -> None:
    for values in VALUES.values():
        found = values(text)
        assert len(found) == len(text)
        assert all(value >= 0 for value in found)
