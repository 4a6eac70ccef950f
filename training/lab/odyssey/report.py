"""The study's findings in a folder: tables, pictures, and a page that says what has become of the paper's claims."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from model.files import replacing
from training.errors import TrainingError
from training.files import write_text
from training.lab.odyssey.costs import BATCH, HIDDEN, INPUTS, Cost, costs
from training.lab.odyssey.figures import bars, boxes, scatter
from training.lab.odyssey.ledger import Row
from training.lab.odyssey.search import PROBLEMS, VANILLA
from training.lab.odyssey.statistics import (
    LEVEL,
    MARGIN,
    Claim,
    Comparison,
    best_tenth,
    claims,
    compare,
    importances,
    shown,
)


class ReportError(TrainingError):
    """Too few trials for a report."""


def report(rows: Sequence[Row], out: Path) -> list[Path]:
    """Writes trials.csv, comparisons.csv, importances.csv, costs.csv, three pictures and odyssey.md, each whole or not
    at all.

    Raises:
        ReportError: there is a task without two trials of the vanilla LSTM, or no trial at all.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    for task in tasks or PROBLEMS:
        there = sum(row.task == task and row.cell == VANILLA for row in rows)
        if there < 2:
            raise ReportError(f"{there} trials of {VANILLA} on {task} in {out}; a report compares with two or more")
    # A cell of one trial has no variance, and waits for its second.
    trials = Counter((row.task, row.cell) for row in rows)
    rows = [row for row in rows if trials[row.task, row.cell] > 1]
    cells = list(dict.fromkeys(row.cell for row in rows))
    comparisons = [each for task in tasks for each in compare(rows, task)]
    pooled = {task: importances([row for row in rows if row.task == task]) for task in tasks}
    by_study = {
        (task, cell): importances(own)
        for task in tasks
        for cell in cells
        if (own := [row for row in rows if (row.task, row.cell) == (task, cell)])
    }
    measured = costs(cells)
    page = summary(rows, comparisons, pooled, claims(comparisons, by_study), measured)
    shares = [(task, cell, name, share) for (task, cell), found in by_study.items() for name, share in found.items()]
    tables: dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]] = {
        "trials.csv": (Row._fields, rows),
        "comparisons.csv": (Comparison._fields, comparisons),
        "importances.csv": (("task", "cell", "parameter", "share"), shares),
        "costs.csv": (Cost._fields, measured),
    }
    pictures = {"scores.png": boxes(rows, comparisons), "importances.png": bars(pooled), "costs.png": scatter(measured)}
    out.mkdir(parents=True, exist_ok=True)
    for name, (header, lines) in tables.items():
        with replacing(out / name) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *lines])
    for name, picture in pictures.items():
        _save(picture, out / name)
    write_text(out / "odyssey.md", page)
    return [out / name for name in (*tables, *pictures, "odyssey.md")]


def _save(picture: Figure, path: Path) -> None:
    with replacing(path) as partial:
        picture.savefig(partial, format="png", dpi=110)


def summary(
    rows: Sequence[Row],
    comparisons: Sequence[Comparison],
    pooled: dict[str, dict[str, float]],
    found: Sequence[Claim],
    measured: Sequence[Cost],
) -> str:
    """The page, in Markdown."""
    names = max(map(list, pooled.values()), key=len)  # a task that has one cell yet has none for the cell
    hours = sum(row.seconds for row in rows) / 3600
    lines = [
        "# LSTM: a search space odyssey, again",
        "",
        f"{len(rows):,} trials, {hours:.1f} hours of one core. Each cell's best tenth on dev is compared with that",
        f"of the vanilla LSTM, `{VANILLA}`, by scores on held: other sequences, which decide nothing. Test",
        "splits are not read.",
        "",
        "## The paper's claims",
        "",
        "| claim | verdict | p | evidence |",
        "|---|---|--:|---|",
        *(f"| {each.claim} | **{each.verdict}** | {shown(each.p)} | {each.evidence} |" for each in found),
        "",
        "p of differences: Welch's test, with Holm's correction over the cells of a task; below",
        f"{LEVEL} is significant. A part is crucial if all tasks are significantly worse without it. It costs",
        f"nothing to leave out if a loss of {MARGIN:.0%} of the score or more is excluded on all tasks (one-sided, the",
        "largest p of them). The rate's p is that of coming first so often by chance. *Undecided* is what so many",
        "trials can't tell.",
    ]
    for task in dict.fromkeys(row.task for row in rows):
        lines += ["", *_of_task(task, [row for row in rows if row.task == task], comparisons)]
    lines += [
        "",
        "![scores of all trials and of the best tenth](scores.png)",
        "",
        "## Importance of each parameter",
        "",
        "Shares of the variance of all trials' scores that fANOVA lays to a parameter alone; the rest is interaction.",
        "",
        "| task | " + " | ".join(names) + " |",
        "|---|" + "--:|" * len(names),
        *(
            f"| {PROBLEMS[task].title} | "
            + " | ".join(f"{shares[name]:.2f}" if name in shares else "" for name in names)
            + " |"
            for task, shares in pooled.items()
        ),
        "",
        "![importance of each parameter](importances.png)",
        "",
        "## Time and parameters",
        "",
        f"One layer, {INPUTS} inputs, {HIDDEN} units, a step of {BATCH} sequences on one thread, forward and backward.",
        "",
        "| cell | parameters | µs a step |",
        "|---|--:|--:|",
        *(f"| `{cost.cell}` | {cost.parameters:,} | {cost.step * 1e6:.0f} |" for cost in measured),
        "",
        "![time a step against parameters](costs.png)",
    ]
    return "\n".join(lines) + "\n"


def _of_task(task: str, rows: Sequence[Row], comparisons: Sequence[Comparison]) -> list[str]:
    """The table of a task."""
    problem = PROBLEMS[task]
    by_cell = {cell: [row for row in rows if row.cell == cell] for cell in dict.fromkeys(row.cell for row in rows)}
    against = {each.cell: each for each in comparisons if each.task == task}
    best = min(rows, key=lambda row: row.dev)
    lines = [
        f"## {problem.title}",
        "",
        f"In {problem.measure}, less is better. The best trial on dev, `{best.cell}` with {best.size} units, has",
        f"{best.dev:.3f} there and {best.held:.3f} on held.",
        "",
        "| cell | trials | best tenth, mean | to vanilla | 95 % | p | p, Holm |",
        "|---|--:|--:|--:|---|--:|--:|",
    ]
    for cell, own in by_cell.items():
        tenth = best_tenth(own)
        mean = sum(row.held for row in tenth) / len(tenth)
        start = f"| `{cell}` | {len(own)} | {mean:.3f} |"
        if cell not in against:
            lines.append(f"{start} | | | |")
            continue
        each = against[cell]
        mark = " **worse**" if each.worse else " **better**" if each.better else ""
        between = f"{each.low:+.3f} to {each.high:+.3f}"
        lines.append(f"{start} {each.difference:+.3f}{mark} | {between} | {shown(each.p)} | {shown(each.adjusted)} |")
    return lines
