"""The view of forecasts: a table, a day to forecast from, and what came, day by day."""

import csv
import json

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.price_series import as_csv, made_up
from tests.web.conftest import Open, drop, violations

pytestmark = pytest.mark.browser


def opened(open_page: Open) -> Page:
    page = open_page("#forecast")
    page.get_by_role("button", name="Try a made-up series").click()
    page.locator("svg.fan").wait_for()
    return page


def test_a_made_up_series_has_a_fan(open_page: Open) -> None:
    page = opened(open_page)
    expect(page.get_by_role("heading", name="A made-up series")).to_be_visible()
    expect(page.locator("svg.fan polygon.interval")).to_have_count(2)
    expect(page.locator(".forecast .told")).to_contain_text("Tomorrow, with 80 %:")


def test_what_came_is_revealed_day_by_day(open_page: Open) -> None:
    page = opened(open_page)
    dots = page.locator("svg.fan circle.came")
    expect(dots).to_have_count(0)
    page.get_by_role("button", name="Reveal a day").click()
    expect(dots).to_have_count(1)
    expect(page.locator(".forecast .told")).to_contain_text("of 1 days inside the 80 % interval")
    page.get_by_role("button", name="Reveal all").click()
    expect(dots).to_have_count(20)
    expect(page.get_by_role("button", name="Reveal a day")).to_be_disabled()


def test_today_can_be_moved(open_page: Open) -> None:
    page = opened(open_page)
    page.get_by_role("button", name="Reveal all").click()
    before = page.locator("svg.fan").get_attribute("aria-label")
    page.get_by_role("slider", name="Today").fill("500")
    expect(page.locator("svg.fan circle.came")).to_have_count(0)
    expect(page.locator("svg.fan")).not_to_have_attribute("aria-label", before or "")


def test_a_table_is_dropped(open_page: Open) -> None:
    page = open_page("#forecast")
    page.locator(".forecast").wait_for()
    drop(page, {"index.csv": as_csv(made_up(120)).encode()})
    expect(page.get_by_role("heading", name="index.csv")).to_be_visible()
    expect(page.locator(".forecast .hint li")).to_contain_text(["there are 100 days; with fewer than 250"])
    drop(page, {"words.csv": b"a,b\n1,2\n"})
    expect(page.locator(".forecast .trouble")).to_contain_text("words.csv can't be read")


def test_it_begins_with_a_series_to_play_with(open_page: Open) -> None:
    page = open_page("#forecast")
    expect(page.get_by_role("heading", name="A made-up series")).to_be_visible()
    expect(page.locator("svg.fan polygon.interval")).to_have_count(2)


def test_rivals_are_told_with_their_chance(open_page: Open) -> None:
    page = opened(open_page)
    test = json.loads((ROOT / "checkpoints" / "indices" / "metrics.json").read_text(encoding="utf-8"))["test"]
    page.get_by_text("nasdaq", exact=True).click()
    table = page.get_by_role("table", name="volatility: QLIKE; less is better")
    shown = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()
    }
    assert list(shown) == ["Recap", "persistence", "RiskMetrics", "HAR", "HAR with leverage"]
    assert shown["Recap"] == [f"{test['nasdaq qlike Recap']:.4f}", ""]
    assert shown["HAR"] == [f"{test['nasdaq qlike HAR']:.4f}", f"{test['nasdaq qlike HAR p']:.3f} may be chance"]
    expect(page.get_by_role("table", name="next day: log-likelihood; more is better")).to_contain_text("< 0.001")


def test_what_is_drawn_can_be_read_and_saved(open_page: Open) -> None:
    page = opened(open_page)
    page.get_by_role("button", name="Reveal a day").click()
    page.get_by_text("As a table").click()
    rows = page.locator(".figure table tbody tr")
    expect(rows).to_have_count(20)
    cells = rows.first.locator("td").all_inner_texts()
    low, high, least, greatest = map(float, cells[2:6])
    assert least < low < high < greatest
    assert float(cells[7])
    assert rows.nth(1).locator("td").last.inner_text() == ""  # not a day before it is revealed
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        saved = list(csv.reader(file))
    assert (len(saved), saved[1]) == (21, cells)


def test_axe_finds_nothing(still: Page, server: str) -> None:
    still.goto(f"{server}/#forecast")
    still.locator("svg.fan").wait_for()
    still.get_by_text("As a table").click()
    assert violations(still) == ""
