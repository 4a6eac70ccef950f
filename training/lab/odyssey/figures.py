"""The study's pictures, which do without colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from training.lab.odyssey.costs import Cost
from training.lab.odyssey.ledger import Row
from training.lab.odyssey.search import PROBLEMS, VANILLA
from training.lab.odyssey.statistics import Comparison, best_tenth

HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
GREYS = ("0.15", "0.95", "0.6", "0.8", "0.4", "1.0")


def short(cell: str) -> str:
    """A cell's name under a box: NFG, vanilla, gru."""
    return "vanilla" if cell == VANILLA else cell.removeprefix("lstm-").upper() if cell.startswith("lstm-") else cell


def boxes(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> Figure:
    """Scores on held of all trials (narrow, grey) and of the best tenth (wide) of each cell, a task in each row.

    A hatched box differs significantly from the vanilla LSTM's, whose median is the dashed line. What is worse than
    nine tenths of all trials is cut off.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    figure = Figure(figsize=(10, 3.2 * len(tasks)), layout="constrained")
    different = {(each.task, each.cell) for each in comparisons if each.better or each.worse}
    for axes, task in zip(np.ravel(figure.subplots(len(tasks), 1)), tasks, strict=True):
        own = [row for row in rows if row.task == task]
        cells = list(dict.fromkeys(row.cell for row in own))
        places = range(1, len(cells) + 1)
        by_cell = [[row for row in own if row.cell == cell] for cell in cells]
        every = [[row.held for row in found] for found in by_cell]
        tenth = [[row.held for row in best_tenth(found)] for found in by_cell]
        grey = {"facecolor": "0.85", "edgecolor": "0.5"}
        line = {"color": "0.5"}
        axes.boxplot(
            every, positions=[place + 0.25 for place in places], widths=0.2, showfliers=False, patch_artist=True,
            boxprops=grey, medianprops=line, whiskerprops=line, capprops=line, manage_ticks=False,
        )  # fmt: skip
        drawn = axes.boxplot(
            tenth, positions=[place - 0.1 for place in places], widths=0.4, whis=(0, 100), patch_artist=True,
            medianprops={"color": "black", "linewidth": 2}, manage_ticks=False,
        )  # fmt: skip
        for box, cell in zip(drawn["boxes"], cells, strict=True):
            box.set(facecolor="white", hatch="////" if (task, cell) in different else "")
        if VANILLA in cells:
            axes.axhline(np.median(tenth[cells.index(VANILLA)]), color="black", linestyle="--", linewidth=0.8)
        scores = np.array([row.held for row in own])
        least, most = scores.min(), np.quantile(scores, 0.9)
        space = 0.05 * (most - least) or 0.01
        axes.set(title=PROBLEMS[task].title, ylabel=PROBLEMS[task].measure, ylim=(least - space, most + space))
        axes.set_xticks(list(places), [short(cell) for cell in cells])
        axes.grid(axis="y", alpha=0.3)
    return figure


def bars(importances: Mapping[str, Mapping[str, float]]) -> Figure:
    """The share of the variance that each parameter explains, on each task."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    names = max(map(list, importances.values()), key=len)
    width = 0.8 / len(importances)
    for number, (task, found) in enumerate(importances.items()):
        at = np.arange(len(names)) + (number - (len(importances) - 1) / 2) * width
        heights = [found.get(name, 0.0) for name in names]
        style: dict[str, Any] = {"color": GREYS[number], "hatch": HATCHES[number], "edgecolor": "black"}
        axes.bar(at, heights, width, label=PROBLEMS[task].title, **style)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="share of the variance explained", ylim=(0, None))
    axes.legend()
    axes.grid(axis="y", alpha=0.3)
    return figure


def scatter(costs: Sequence[Cost]) -> Figure:
    """Time a step against parameters, a point for each cell."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for cost in costs:
        axes.plot(cost.parameters / 1000, cost.step * 1e6, "ko", markersize=5)
    # Names go up the right side where points share a place.
    last = -np.inf
    span = max(cost.step for cost in costs) * 1e6
    for cost in sorted(costs, key=lambda cost: cost.step):
        height = max(cost.step * 1e6, last + 0.045 * span)
        point = (cost.parameters / 1000, cost.step * 1e6)
        axes.annotate(
            short(cost.cell), point, (max(each.parameters for each in costs) / 1000 * 1.08, height), va="center",
            arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.6},
        )  # fmt: skip
        last = height
    axes.set(
        xlabel="parameters, thousands",
        ylabel="µs a step, forward and backward",
        xlim=(0, max(cost.parameters for cost in costs) / 1000 * 1.25),
        ylim=(0, max(last, span) * 1.08),
    )
    axes.grid(alpha=0.3)
    return figure
