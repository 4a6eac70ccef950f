"""How far a long command has come, on the terminal."""

import sys
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text


class RateColumn(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s", style="progress.data.speed")


def progress_bar(total: int) -> AbstractContextManager[Progress | None]:
    """A bar with count, rate and time left on standard error; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    progress = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,  # standard output may be a file
    )
    progress.add_task("", total=total)
    return progress
