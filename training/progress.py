"""A progress bar with rate and time left, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


class _RateColumn(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task) -> Text:  # type: ignore[no-untyped-def]
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class Bar:
    """One line of progress."""

    def __init__(self, display: Progress, task: TaskID) -> None:
        self._display, self._task = display, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Moves on, with a word on how it goes."""
        self._display.update(self._task, advance=steps, note=note)


@contextmanager
def progress(title: str, total: int, done: int = 0, *, show: bool = True) -> Iterator[Bar]:
    """A bar from `done` to `total`; silent where `show` is False or standard error is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as display:
        yield Bar(display, display.add_task(title, total=total, completed=done, note=""))
