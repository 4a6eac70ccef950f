"""A text shaded by what a cell does at each of its characters, after figure 2 of Karpathy, Johnson and Li (2015)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

LINES, WIDTH = 4, 72
"""Lines of an excerpt, and most characters of each."""
SEARCHED = 20_000
"""Tokens among which an excerpt is looked for."""
TAB = 4
"""Blanks that stand for a tab."""
FONT: dict[str, Any] = {"fontsize": 6.5, "family": "monospace", "ha": "center", "va": "center", "parse_math": False}


class Excerpt(NamedTuple):
    """A few lines, and the activity of a cell."""

    title: str
    tokens: Sequence[str]  # T of them; a line break ends each line
    values: Tensor  # (T,)


def telling(tokens: Sequence[str], trait: Tensor) -> slice:
    """The place, in whole lines, of the excerpt over which a trait (T,) varies most; the first lines if none fits."""
    ends = [place + 1 for place, token in enumerate(tokens[:SEARCHED]) if token == "\n"]
    best, place = -1.0, slice(0, ends[LINES - 1] if len(ends) >= LINES else len(tokens))
    for first, last in zip(ends, ends[LINES:], strict=False):
        lines = "".join(_shown(token) for token in tokens[first:last]).split("\n")
        if max(map(len, lines)) > WIDTH:
            continue
        spread = float(trait[first:last].var(correction=0))
        if spread > best:
            best, place = spread, slice(first, last)
    return place


def plot(excerpts: Sequence[Excerpt]) -> Figure:
    """The excerpts below each other; the darkest characters are those at which a cell has its largest value there."""
    rows = sum(excerpt.tokens.count("\n") + 2 for excerpt in excerpts)
    figure = Figure(figsize=(0.075 * WIDTH + 0.2, 0.155 * rows))
    axes = figure.add_axes((0.01, 0.0, 0.98, 1.0))
    axes.set(xlim=(0, WIDTH), ylim=(rows, 0))
    axes.axis("off")
    row = 0
    for excerpt in excerpts:
        axes.text(0, row + 0.55, excerpt.title, fontsize=7.5, fontweight="bold", va="center", parse_math=False)
        row, column = row + 1, 0
        low, high = float(excerpt.values.min()), float(excerpt.values.max())
        for token, value in zip(excerpt.tokens, excerpt.values.tolist(), strict=True):
            shade = (value - low) / (high - low) if high > low else 0.0
            for character in _shown(token):
                if character == "\n":
                    row, column = row + 1, 0
                    continue
                grey = str(1 - 0.8 * shade)
                axes.add_patch(Rectangle((column, row), 1, 1, facecolor=grey, edgecolor="none"))
                ink = "white" if shade > 0.6 else "black"
                place = column + 0.5, row + 0.55
                axes.text(*place, character, color=ink, **FONT)
                column += 1
        row += 1
    return figure


def _shown(token: str) -> str:
    return token.replace("\t", " " * TAB)
