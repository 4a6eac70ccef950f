"""Tables of daily prices, as exchanges, brokers and data vendors write them, to series."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime

import numpy as np

from model.messages import some
from model.tasks.forecasting.series import MAX_DAYS, PRICES, Series

COLUMNS = {
    "date": ("date", "day", "time", "timestamp", "datetime"),
    "open": ("open", "open price"),
    "high": ("high", "high price", "max"),
    "low": ("low", "low price", "min"),
    "close": ("close", "close price", "close/last", "last", "price", "adj close", "value"),
}
"""Names that a column goes by, the best first, in lower case."""
_NOTHING = {"", "null", "nan", "n/a", "na", "-", "."}
_WORDS = ("%Y%m%d", "%b %d %Y", "%d %b %Y", "%B %d %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y")


def read_table(data: bytes) -> Series:
    """A series from CSV with a line of names: a date and a close, and better an open, a high and a low too.

    Commas, semicolons or tabs; dates of most forms; oldest or newest first. Rows without a price are left out, and
    `notes` tells so.

    Raises:
        ValueError: it is no such table, or `Series.of` refuses it. The message names the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the table is not UTF-8: {error.reason} at byte {error.start}") from error
    lines = text.splitlines()
    if not lines or "\0" in text:
        raise ValueError(
            "the table is empty; a CSV file with a date and a close is needed"
            if not lines
            else "the table has a zero byte; a CSV file with a date and a close is needed"
        )
    separator = max(",;\t", key=lines[0].count)
    rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    if len(rows) > MAX_DAYS + 1000:
        raise ValueError(f"the table has {len(rows):,} lines; at most {MAX_DAYS:,} days are read, so send the latest")
    places = _places(rows[0])
    names = [name for name in ("close", *PRICES) if name in places]
    number = _decimal(separator, rows[1:], [places[name] for name in names])
    days, prices, empty = [], [], []
    for line, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {name: row[place].strip() if place < len(row) else "" for name, place in places.items()}
        if any(cells[name].lower() in _NOTHING for name in names):
            empty.append(line)
            continue
        days.append((line, cells["date"]))
        prices.append([_price(number, cells[name], line, name) for name in names])
    if not days:
        raise ValueError("the table has no line with prices")
    dates, columns = _dates(days), np.array(prices)  # (T, columns)
    notes = [f"left out, since a price is missing: line {some(empty)}"] if empty else []
    if len(dates) > 1 and dates[0] > dates[-1]:
        dates, columns = dates[::-1], columns[::-1]
    return Series.of(**dict(zip(names, columns.T, strict=True)), days=dates, notes=notes)


def _places(header: Sequence[str]) -> dict[str, int]:
    """The column of each name."""
    found = [name.strip().strip('"').lower() for name in header]
    places = {
        name: found.index(known)
        for name, others in COLUMNS.items()
        if (known := next((other for other in others if other in found), None))
    }
    for name in ("date", "close"):
        if name not in places:
            shown = ", ".join(repr(column) for column in found[:8])
            raise ValueError(f"the table has no column {name!r}: the first line has {shown}; date and close are needed")
    return places


def _decimal(separator: str, rows: Sequence[Sequence[str]], places: Sequence[int]) -> Callable[[str], float]:
    """Reads numbers, whose decimals follow a comma in some tables: those that are not separated by commas."""
    cells = [row[place] for row in rows[:50] for place in places if place < len(row)]
    commas = separator != "," and any(re.search(r",\d+$", cell.strip()) for cell in cells)

    def number(text: str) -> float:
        plain = text.replace(".", "").replace(",", ".") if commas else text.replace(",", "")
        return float(plain.lstrip("$€£").replace(" ", ""))

    return number


def _price(number: Callable[[str], float], text: str, line: int, name: str) -> float:
    try:
        return number(text)
    except ValueError:
        raise ValueError(f"line {line}: the {name} {text[:40]!r} is no number") from None


def _dates(days: Sequence[tuple[int, str]]) -> list[date]:
    """The dates of lines, all written alike."""
    line, first = days[0]
    for reader in (_iso, *(_written(form) for form in _WORDS), *_numbers([text for _, text in days])):
        try:
            reader(first)
        except ValueError:
            continue
        found = []
        for line, text in days:
            try:
                found.append(reader(text))
            except ValueError:
                raise ValueError(f"line {line}: the date {text[:40]!r} is not written as {first!r} is") from None
        return found
    raise ValueError(f"line {line}: the date {first[:40]!r} is not understood; write 2018-12-31")


def _iso(text: str) -> date:
    """2018-12-31, and whatever time follows."""
    if not re.match(r"\d{4}-\d\d-\d\d(?:$|[T ])", text):
        raise ValueError
    return date.fromisoformat(text[:10])


def _written(form: str) -> Callable[[str], date]:
    return lambda text: datetime.strptime(text.replace(",", ""), form).date()


def _numbers(texts: Sequence[str]) -> list[Callable[[str], date]]:
    """12/31/2018, or 31/12/2018 if some first number is above 12; with points, the day is first."""
    parts = [re.fullmatch(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?: .*)?", text) for text in texts]
    found = [part for part in parts if part]
    if not found:
        return []
    day_first = found[0][2] == "." or any(int(part[1]) > 12 for part in found)

    def read(text: str) -> date:
        part = re.fullmatch(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?: .*)?", text)
        if not part:
            raise ValueError
        day, month = (part[1], part[3]) if day_first else (part[3], part[1])
        return date(int(part[4]), int(month), int(day))

    return [read]
