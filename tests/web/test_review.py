"""The review: twenty pictures by keys alone; what was decided is exported, wiped, and read back the same."""

import csv
import io

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import draw
from tests.web.conftest import Encode, drop, exported

pytestmark = pytest.mark.browser

GREEDY = """async () => (await import("/web/views/captioning/decoding.js")).decoding.set({method: "greedy"})"""
STATES = """async () => (await import("/web/views/captioning/album.js")).album.pictures.map(
    ({name, caption, review, status}) => [name, caption, review, status])"""


def fill_sheet(page: Page, contents: dict[str, bytes], method: str = "greedy") -> Page:
    page.goto(f"{page.url.partition('#')[0]}#many")
    page.locator("#view-many h1").first.wait_for(state="attached")
    if method == "greedy":
        page.evaluate(GREEDY)
    drop(page, contents)
    expect_done(page, len(contents))
    return page


def expect_done(page: Page, count: int) -> None:
    expect(page.locator(".card[data-state=done]")).to_have_count(count, timeout=120_000)
    expect(page.locator(".card img[src]")).to_have_count(count)  # digests are there as soon as thumbnails


@pytest.fixture
def four(page: Page, photo: bytes, encode: Encode) -> Page:
    """The review of four pictures, each with alternatives, the least confident shown."""
    drawn = {f"drawn-{seed}.png": encode(draw(seed)) for seed in range(3)}
    fill_sheet(page, {"photo.jpg": photo} | drawn, method="beam")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("group", name="Review")).to_be_focused()
    return page


def place(page: Page) -> str:
    return page.locator(".place").inner_text()


def test_twenty_are_reviewed_by_keys_and_read_back_the_same(page: Page, encode: Encode) -> None:
    contents = {f"{number}.png": encode(draw(number)) for number in range(20)}
    fill_sheet(page, contents)
    page.get_by_role("button", name="Review").press("Enter")
    expect(page.get_by_role("group", name="Review")).to_be_focused()
    presses = 0
    for number in range(20):
        if number == 7:
            page.keyboard.press("d")
        elif number == 9:
            page.keyboard.press("s")
        elif number == 11:
            page.keyboard.press("e")
            page.keyboard.type(" Mine")
            page.keyboard.press("Enter")
        else:
            page.keyboard.press("Enter")
            presses += 1
        expect(page.locator(".reviewed")).to_contain_text(f"{number + 1 - (number >= 9)} of 20 reviewed")
    assert presses == 17  # one key for each that is accepted
    expect(page.get_by_role("heading", name="All of them are reviewed.")).to_be_visible()
    page.get_by_role("button", name="To the sheet").last.press("Enter")
    expect(page.locator(".found")).to_have_text("20 pictures, 19 reviewed")
    before = page.evaluate(STATES)
    assert [status for *_, status in before].count("decorative") == 1
    forms = {form: exported(page, form)[1] for form in ("CSV", "JSON lines")}
    rows = list(csv.DictReader(io.StringIO(forms["CSV"].removeprefix("\ufeff"))))
    assert sum(row["edited"] == "yes" for row in rows) == 1
    assert [row["alt"] for row in rows if row["status"] == "decorative"] == [""]

    for form, name in (("CSV", "captions.csv"), ("JSON lines", "captions.jsonl")):
        page.get_by_role("button", name="Remove all").click()
        expect(page.get_by_role("heading", name="A contact sheet for your pictures")).to_be_visible()
        drop(page, contents | {name: forms[form].encode()})
        expect_done(page, 20)
        assert page.evaluate(STATES) == before
        assert exported(page, "CSV")[1] == forms["CSV"]
        assert exported(page, "JSON lines")[1] == forms["JSON lines"]


def test_the_least_confident_come_first_and_undo_goes_back_over_pictures(four: Page) -> None:
    page = four
    field = page.locator(".review").get_by_role("textbox")
    sure = page.evaluate("""async () => Object.fromEntries((await import("/web/views/captioning/album.js"))
        .album.pictures.map(({name, best}) => [name, best.confidence]))""")
    order = sorted(sure, key=sure.__getitem__)
    assert f"1 of 4 · {order[0]} · draft" == place(page)
    taken = page.locator(".review .other").nth(1).locator(".text").inner_text().removeprefix("2 ")
    page.keyboard.press("2")
    expect(field).to_have_value(taken)
    page.keyboard.press("Enter")
    expect(page.locator(".place")).to_contain_text(order[1])
    page.keyboard.press("d")
    expect(page.locator(".place")).to_contain_text(order[2])
    page.keyboard.press("e")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("A picture of a man")
    warned = page.get_by_role("list", name="Warnings")
    for warning in ("It begins with what is plain", "without a full stop", "guesses at gender"):
        expect(warned).to_contain_text(warning)
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(field).to_have_value("A picture of a person")
    expect(page.locator(".count-of")).to_have_text("21")
    page.get_by_role("combobox", name="Most characters").select_option("90")
    page.keyboard.press("e")
    page.keyboard.type("." * 70)
    expect(warned).to_contain_text("It is longer than 90 characters")
    page.keyboard.press("Enter")
    expect(page.locator(".place")).to_contain_text(order[3])

    page.keyboard.press("ControlOrMeta+z")
    expect(page.locator(".place")).to_contain_text(order[2])
    while order[1] not in place(page):
        page.keyboard.press("ControlOrMeta+z")
    expect(page.locator(".place")).to_have_text(f"2 of 4 · {order[1]} · draft")
    page.keyboard.press("ControlOrMeta+z")
    expect(page.locator(".place")).to_have_text(f"1 of 4 · {order[0]} · draft")
    expect(field).to_have_value(taken)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".place")).to_contain_text(order[1])
    page.keyboard.press("Escape")
    expect(page.get_by_role("list", name="Contact sheet")).to_be_visible()


def test_a_review_goes_on_after_a_reload(four: Page) -> None:
    page = four
    page.keyboard.press("Enter")
    expect(page.locator(".reviewed")).to_contain_text("1 of 4 reviewed")
    page.evaluate("""async () => (await import("/web/shell/store.js")).store.write()""")
    shown = place(page)
    page.reload()
    expect(page.locator(".place")).to_have_text(shown)
    expect(page.locator(".reviewed")).to_contain_text("1 of 4 reviewed")
    page.keyboard.press("Enter")
    expect(page.locator(".reviewed")).to_contain_text("2 of 4 reviewed")


def test_texts_that_a_site_has_are_left_and_the_rest_is_reviewed(page: Page, photo: bytes, encode: Encode) -> None:
    fill_sheet(page, {"photo.jpg": photo, "a b.png": encode(draw(1)), "c.png": encode(draw(2))})
    listed = "src;Alt text\r\nhttps://example.com/media/a%20b.png?v=2;As it was.\r\nc.png;\r\nlost.png;Elsewhere.\r\n"
    drop(page, {"site.csv": listed.encode()})
    expect(page.get_by_role("alert").filter(has_text="names 1 picture that is not here: lost.png")).to_be_visible()
    expect(page.get_by_role("textbox", name="Caption of a b.png")).to_have_value("As it was.")
    expect(page.locator(".card .name")).to_have_count(3)
    page.get_by_role("combobox", name="Show").select_option("draft")
    expect(page.locator(".card:visible .name")).to_have_text(["photo.jpg", "c.png"])
    name, text = exported(page, "HTML")
    assert name == "captions.html"
    assert [line.partition(" alt=")[0] for line in text.splitlines()] == ['<img src="photo.jpg"', '<img src="c.png"']
    page.get_by_role("combobox", name="Show").select_option("")
    page.locator("main").press("ControlOrMeta+z")
    expect(page.get_by_role("textbox", name="Caption of a b.png")).not_to_have_value("As it was.")
    text = exported(page, "Markdown")[1]
    assert "](a%20b.png)" in text


def test_columns_are_chosen_and_what_has_no_caption_is_told(page: Page, photo: bytes) -> None:
    fill_sheet(page, {"photo.jpg": photo})
    page.route("**/v1/captions/stream*", lambda route: None)  # never answered
    drop(page, {"slow.jpg": photo + b" "})
    page.get_by_role("button", name="Export").click()
    dialog = page.get_by_role("dialog", name="Export")
    expect(dialog.get_by_role("status")).to_contain_text("1 has no caption yet and is left out.")
    for box in dialog.get_by_role("checkbox").all():
        box.set_checked(box.get_attribute("value") in ("file", "alt"))
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Export 1").click()
    rows = list(csv.reader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))
    assert rows[0] == ["file", "alt"]
    assert len(rows) == 2
    assert rows[1][0] == "photo.jpg"


def test_a_table_is_read_as_it_was_written(tab: Page) -> None:
    rows = [["file", "alt"], ['a "b", c.png', "two\nlines; and more"], [" d", ""]]
    read = tab.evaluate(
        """async (rows) => {
            const {asCsv, fromCsv} = await import("/web/views/captioning/csv.js");
            return [fromCsv(asCsv(rows)), fromCsv("a\\tb\\n1,5\\t\\"x\\"\\n"), fromCsv("a,b")];
        }""",
        rows,
    )
    assert read == [rows, [["a", "b"], ["1,5", "x"]], [["a", "b"]]]
