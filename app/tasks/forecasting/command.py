"""`recap forecast`."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands import Checkpoints, DeviceOption, ModelOption, fail, find_checkpoint, read_settings

if TYPE_CHECKING:
    from app.tasks.forecasting.service import ForecastJob
    from model.tasks.forecasting.series import Series

PAST = 60
"""Days of the past in a chart."""


def forecast(
    file: Annotated[
        Path, typer.Argument(help="CSV with a date and a close, better open, high and low too; - reads standard input.")
    ],
    model: ModelOption = None,
    horizon: Annotated[int, typer.Option(min=1, max=20, help="Days of trading ahead.")] = 5,
    level: Annotated[
        list[float] | None,
        typer.Option(help="Level of an interval in percent; can be given several times. Default: 80 and 95."),
    ] = None,
    today: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Forecast as of this day; later days are not read, but shown."),
    ] = None,
    chart: Annotated[Path | None, typer.Option(help="Draw the fan of intervals there, as PNG.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object, and nothing else.")] = False,
    checkpoints: Checkpoints = None,
    device: DeviceOption = None,
) -> None:
    """Forecast the days ahead of a price: the intervals that it stays in, and its volatility.

    The price itself is not forecast better than by today's.
    """
    levels = tuple(dict.fromkeys(level or (80.0, 95.0)))
    if not all(0 < one <= 99.9 for one in levels):
        fail("--level is in percent, above 0 and up to 99.9")
    settings = read_settings(checkpoints=checkpoints, device=device)

    from app.serving.loading import Loader
    from app.tasks.forecasting.schemas import as_json as answer_of
    from app.tasks.forecasting.service import ForecastJob, finish, prepared
    from model.checkpoint import CheckpointError
    from model.tasks.forecasting import FORECASTING

    series = _read(file)
    try:
        known, ahead = _cut(series, today, horizon)
    except ValueError as error:
        fail(f"{file}: {error}")
    checkpoint = find_checkpoint(settings, FORECASTING, model)
    try:
        forecaster = Loader(settings).load(checkpoint)
    except (CheckpointError, ValueError) as error:
        fail(str(error))
    job = prepared(ForecastJob(lambda: known, horizon, levels))
    finish(forecaster, job)
    if chart:
        _draw(job, ahead, file.stem if str(file) != "-" else "", chart)
    answer = answer_of(job)
    if as_json:
        answer = {"model": checkpoint.name, "today": str(known.days[-1]) if known.days is not None else None} | answer
        if ahead:
            answer["came"] = ahead
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    for warning in answer["warnings"]:
        typer.echo(f"note: {warning}", err=True)
    for line in _lines(answer, ahead):
        typer.echo(line)


def _read(file: Path) -> "Series":
    from model.files import read_bytes
    from model.tasks.forecasting.table import read_table

    try:
        return read_table(sys.stdin.buffer.read() if str(file) == "-" else read_bytes(file))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except ValueError as error:
        fail(f"{file}: {error}")


def _cut(series: "Series", today: datetime | None, horizon: int) -> tuple["Series", list[float]]:
    """The series up to a day, and the closes that followed."""
    if today is None or series.days is None:
        return series, []
    import numpy as np

    length = int((series.days <= np.datetime64(today.date())).sum())
    return series.until(length), series.close[length : length + horizon].tolist()


def _lines(answer: dict[str, Any], ahead: list[float]) -> list[str]:
    """The forecast for people."""
    levels = list(answer["steps"][0]["close"]["intervals"])
    heads = ["day", *(f"{level} % of closes in" for level in levels), "volatility", *(["came"] if ahead else [])]
    rows = [heads]
    for place, step in enumerate(answer["steps"]):
        spans = ["{:,.2f} to {:,.2f}".format(*step["close"]["intervals"][level]) for level in levels]
        came = [f"{ahead[place]:,.2f}" if place < len(ahead) else ""] if ahead else []
        rows.append([step.get("date") or f"+{step['step']}", *spans, f"{step['volatility']:.1%}", *came])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    close = answer["baselines"]["persistence"]
    return [f"today {close:,.2f}; tomorrow's best guess is the same, to {_change(answer):+.2%}", *lines]


def _change(answer: dict[str, Any]) -> float:
    return float(answer["steps"][0]["close"]["mean"] / answer["baselines"]["persistence"] - 1)


def _draw(job: "ForecastJob", ahead: list[float], name: str, path: Path) -> None:
    from app.tasks.forecasting.chart import Plot, draw
    from app.tasks.forecasting.service import next_days
    from model.files import replacing
    from model.tasks.forecasting.series import day_name

    series = job.series
    dates = next_days(series.days, job.steps)
    first = max(0, len(series) - PAST)
    labels = (
        day_name(first, series.days),
        day_name(len(series) - 1, series.days),
        dates[-1] if dates else f"day {len(series) + job.steps}",
    )
    plot = Plot(name, series.close[first:].tolist(), job.ahead, ahead, labels)
    try:
        with replacing(path) as partial:
            draw(plot).save(partial, "PNG")
    except OSError as error:
        fail(f"{path}: {error.strerror}")
