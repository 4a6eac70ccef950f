"""`recap forecast`: tables from files and standard input, for people, for programs, and as a picture."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from app.cli import cli
from tests.price_series import as_csv, made_up

SERIES = made_up(300)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, forecast_checkpoints: Path) -> None:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(forecast_checkpoints))
    monkeypatch.setenv("RECAP_THREADS", "1")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "index.csv").write_text(as_csv(SERIES))
    return tmp_path / "index.csv"


def recap(*arguments: object, given: str | None = None) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(cli, ["forecast", *words], input=given, catch_exceptions=False)


def test_people_read_intervals(table: Path) -> None:
    result = recap(table, "--horizon", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    first, heads, *rows = result.stdout.splitlines()
    assert first.startswith(f"today {SERIES.close[-1]:,.2f}; tomorrow's best guess is the same, to ")
    assert heads.split("  ")[0] == "day"
    assert [row.split()[0] for row in rows] == ["2002-02-25", "2002-02-26"]
    assert all(row.endswith("%") for row in rows)


def test_programs_read_json(table: Path) -> None:
    answer = json.loads(recap(table, "--json", "--level", 90).stdout)
    assert (answer["model"], answer["today"]) == ("tiny-prices", "2002-02-22")
    assert [list(step["close"]["intervals"]) for step in answer["steps"]] == [["90"]] * 5
    assert json.loads(recap("-", "--json", "--level", 90, given=as_csv(SERIES)).stdout) == answer


def test_an_earlier_day_knows_nothing_of_later_ones(table: Path, tmp_path: Path) -> None:
    day = str(SERIES.days[279])  # type: ignore[index]
    answer = json.loads(recap(table, "--today", day, "--json").stdout)
    (tmp_path / "until.csv").write_text(as_csv(SERIES.until(280)))
    alone = json.loads(recap(tmp_path / "until.csv", "--json").stdout)
    assert answer.pop("came") == SERIES.close[280:285].tolist()
    assert answer == alone
    assert "came" in recap(table, "--today", day).stdout
    early = recap(table, "--today", "2001-01-05")
    assert (early.exit_code, "there are 5 days; at least 60 are needed" in early.stderr) == (2, True)


@pytest.mark.parametrize("today", [[], ["--today", "2002-01-31"]])
def test_a_chart_is_drawn(table: Path, tmp_path: Path, today: list[str]) -> None:
    chart = tmp_path / "fan.png"
    assert recap(table, "--horizon", 20, "--chart", chart, *today).exit_code == 0
    with Image.open(chart) as picture:
        assert (picture.format, picture.size) == ("PNG", (1200, 640))
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}
    fan = {(0x8B, 0xA7, 0xD0), (0x5F, 0x86, 0xBC)}
    assert fan <= colours
    assert ((0xB3, 0x26, 0x1E) in colours) == bool(today)  # what came is drawn where it is known


def test_warnings_are_told_beside_the_answer(table: Path) -> None:
    table.write_text(as_csv(SERIES.latest(80)))
    result = recap(table, "--json")
    assert result.stderr == ""
    assert json.loads(result.stdout)["warnings"] == [
        "there are 80 days; with fewer than 250 the usual size of a move is uncertain"
    ]
    assert recap(table).stderr.startswith("note: there are 80 days")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        ("", "the table is empty; a CSV file with a date and a close is needed"),
        ("Date,Close\n2018-01-01,-3\n" + "".join(f"2018-02-{n:02},3\n" for n in range(1, 29)), "there are 29 days"),
        (as_csv(SERIES).replace(f",{SERIES.close[5]}\n", ",-1\n"), "the close of 2001-01-08 is -1; prices must be"),
    ],
)
def test_what_cannot_be_forecast_is_told(table: Path, text: str | None, message: str) -> None:
    if text is None:
        table.unlink()
    else:
        table.write_text(text)
    result = recap(table)
    assert result.exit_code == 2
    assert f"error: {table}: " in result.stderr
    assert message in result.stderr


def test_levels_are_shares(table: Path) -> None:
    result = recap(table, "--level", 100)
    assert (result.exit_code, result.stderr) == (2, "error: --level is in percent, above 0 and up to 99.9\n")
