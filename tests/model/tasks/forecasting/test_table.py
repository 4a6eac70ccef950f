"""Tables, as those who publish prices write them."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from model.tasks.forecasting.series import Series
from model.tasks.forecasting.table import read_table
from tests.price_series import as_csv, made_up

SERIES = made_up(70)


def same(found: Series, *, ranges: bool = True) -> bool:
    assert found.days is not None
    assert found.has_ranges == ranges
    return np.array_equal(found.close, SERIES.close) and np.array_equal(found.days, SERIES.days)  # type: ignore[arg-type]


def rewritten(date: Callable[[str], str], header: str = "Date,Close") -> bytes:
    assert SERIES.days is not None
    rows = [f"{date(str(day))},{close}" for day, close in zip(SERIES.days, SERIES.close, strict=True)]
    return "\n".join([header, *rows]).encode()


def american(day: str) -> str:
    year, month, date = day.split("-")
    return f"{int(month)}/{int(date)}/{year}"


def british(day: str) -> str:
    year, month, date = day.split("-")
    return f"{date}/{month}/{year}"


def german(day: str) -> str:
    return british(day).replace("/", ".")


def test_a_table_with_ranges_is_read() -> None:
    assert same(read_table(as_csv(SERIES).encode()))
    assert same(read_table(b"\xef\xbb\xbf" + as_csv(SERIES).replace("\n", "\r\n").encode()))
    assert same(read_table(as_csv(SERIES).replace(",", "\t").encode()))


@pytest.mark.parametrize(
    "date",
    [
        american,
        british,
        german,
        lambda day: day.replace("-", ""),
        lambda day: f"{day} 00:00:00-05:00",
        lambda day: f'"{np.datetime64(day).item():%b %d, %Y}"',
    ],
)
def test_dates_of_many_forms_are_read(date: Callable[[str], str]) -> None:
    assert same(read_table(rewritten(date)), ranges=False)


def test_newest_first_is_turned_around() -> None:
    first, *rows = as_csv(SERIES).splitlines()
    assert same(read_table("\n".join([first, *reversed(rows)]).encode()))


def test_other_names_and_signs_of_money_are_read() -> None:
    columns = (SERIES.days, SERIES.close, SERIES.open, SERIES.high, SERIES.low)
    lines = ["Date,Close/Last,Volume,Open,High,Low"]
    for day, close, *others in zip(*(column for column in columns if column is not None), strict=True):
        lines.append(f'{day},"${close:,.4f}",1000,' + ",".join(f"${price}" for price in others))
    assert same(read_table("\n".join(lines).encode()))


def test_decimal_commas_are_read_where_semicolons_separate() -> None:
    table = as_csv(SERIES).replace(",", ";").replace(".", ",")
    assert same(read_table(table.encode()))


def test_rows_without_a_price_are_left_out_and_told() -> None:
    first, *rows = as_csv(SERIES).splitlines()
    found = read_table("\n".join([first, "2000-12-25,null,null,null,null", *rows, ""]).encode())
    assert same(found)
    assert found.notes == ("left out, since a price is missing: line 2",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "the table is empty"),
        (b"Date,Close\n", "the table has no line with prices"),
        (b"\xff\xfe", "the table is not UTF-8"),
        (b"a\0b", "the table has a zero byte"),
        (b"Date,Volume\n2018-01-01,3\n", "the table has no column 'close': the first line has 'date', 'volume'"),
        (b"Close\n3\n", "the table has no column 'date'"),
        (b"Date,Close\n2018-01-01,three\n", "line 2: the close 'three' is no number"),
        (
            b"Date,Close\n2018-01-01,3\n01/02/2018,3\n",
            "line 3: the date '01/02/2018' is not written as '2018-01-01' is",
        ),
        (b"Date,Close\nMonday,3\n", "line 2: the date 'Monday' is not understood; write 2018-12-31"),
        (b"Date,Close\n2018-01-01,3\n", "there are 1 days; at least 60 are needed"),
    ],
)
def test_what_is_no_such_table_is_refused(table: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_table(table)
