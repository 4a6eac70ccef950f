"""A picture of a forecast: closes, the fan of intervals, and what came true if that is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from model.tasks.forecasting.forecaster import Step

WIDTH, HEIGHT = 1200, 640
_SCALE = 2
"""Everything is drawn so many times as large, and scaled down: Pillow's lines have hard edges."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 30, 70, 60
_INK, _SOFT, _GRID, _PAPER = "#1c1c1e", "#6b6b70", "#e4e4e8", "#ffffff"
_FAN = ("#dfe7f3", "#b7c9e4", "#8ba7d0", "#5f86bc")
"""From the widest interval to the narrowest; lighter and darker in grey too."""
_TRUTH = "#b3261e"


@dataclass(frozen=True)
class Plot:
    """The values of a picture."""

    title: str
    past: Sequence[float]
    """Closes up to today, at least one."""
    steps: Sequence[Step]
    truth: Sequence[float]
    """Closes of the days ahead, as far as they are known."""
    labels: tuple[str, str, str]
    """Below the first close, today, and the last day ahead."""


def draw(plot: Plot) -> Image.Image:
    """The picture."""
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), _PAPER)
    pen = ImageDraw.Draw(image)
    levels = sorted(plot.steps[0].intervals, reverse=True)
    ends = [end for step in plot.steps for level in levels[:1] for end in step.intervals[level]]
    values = [*plot.past, *plot.truth, *ends]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low or high)
    low, high = low - margin, high + margin
    days = len(plot.past) - 1 + len(plot.steps)

    def place(day: float, value: float) -> tuple[float, float]:
        across = _LEFT + (WIDTH - _LEFT - _RIGHT) * day / max(1, days)
        down = _TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)
        return across * _SCALE, down * _SCALE

    def text(at: tuple[float, float], words: str, anchor: str, size: int = 15, ink: str = _SOFT) -> None:
        pen.text(at, words, ink, ImageFont.load_default(size * _SCALE), anchor)

    for part in range(5):
        value = low + (high - low) * (part + 0.5) / 5
        pen.line([place(0, value), place(days, value)], _GRID, _SCALE)
        across, down = place(0, value)
        text((across - 10 * _SCALE, down), f"{value:,.2f}" if high < 1000 else f"{value:,.0f}", "rm")
    today = len(plot.past) - 1
    start = place(today, plot.past[-1])
    colours = _FAN[-len(levels) :] if len(levels) <= len(_FAN) else _FAN
    for number, level in enumerate(levels):
        upper = [place(today + step.step, step.intervals[level][1]) for step in plot.steps]
        lower = [place(today + step.step, step.intervals[level][0]) for step in plot.steps]
        pen.polygon([start, *upper, *reversed(lower)], fill=colours[min(number, len(colours) - 1)])
    expected = [start, *(place(today + step.step, step.close) for step in plot.steps)]
    for begin, end in pairwise(expected):  # dashed: it is no more than today's close
        middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
        pen.line([begin, middle], _INK, 2 * _SCALE)
    if len(plot.past) > 1:
        pen.line([place(day, value) for day, value in enumerate(plot.past)], _INK, 2 * _SCALE, "curve")
    if plot.truth:
        path = [start, *(place(today + step, value) for step, value in enumerate(plot.truth, 1))]
        pen.line(path, _TRUTH, 3 * _SCALE, "curve")
        for across, down in path[1:]:
            pen.ellipse([across - 7, down - 7, across + 7, down + 7], fill=_TRUTH)
    pen.line([place(today, low), place(today, high)], _SOFT, _SCALE)
    floor = (HEIGHT - _BOTTOM + 14) * _SCALE
    first, now, last = plot.labels
    text((_LEFT * _SCALE, floor), first, "la")
    text((place(today, low)[0], floor), now, "ma")
    text(((WIDTH - _RIGHT) * _SCALE, floor + 18 * _SCALE), last, "ra")
    text((_LEFT * _SCALE, 20 * _SCALE), plot.title, "la", 20, _INK)
    shown = ", ".join(f"{level:g} %" for level in reversed(levels))
    came = "; dots: what came" if plot.truth else ""
    text(((WIDTH - _RIGHT) * _SCALE, 24 * _SCALE), f"intervals {shown}{came}", "ra")
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
