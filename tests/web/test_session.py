"""What a person made is kept: over settings, retries, removal, reload, a killed tab and a restarted server."""

import time
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import draw
from tests.web.conftest import Encode, Open, drop

pytestmark = pytest.mark.browser

GREEDY = """async () => (await import("/web/views/captioning/decoding.js")).decoding.set({method: "greedy"})"""
WRITTEN = """async () => (await import("/web/shell/store.js")).store.write()"""


@pytest.fixture
def two(open_page: Open, photo: bytes, encode: Encode) -> Page:
    """The contact sheet with two pictures, the first with words of a person."""
    page = open_page("#many")
    expect(page.get_by_role("heading", name="A contact sheet for your pictures")).to_be_visible()
    drop(page, {"photo.jpg": photo, "drawn.png": encode(draw(1))})
    expect(page.locator(".card[data-state=done]")).to_have_count(2)
    page.get_by_role("textbox", name="Caption of photo.jpg").fill("MY OWN WORDS")
    return page


def undo(page: Page) -> None:
    page.get_by_role("region", name="Undo").get_by_role("button", name="Undo").click()


def own(page: Page) -> Any:
    return page.locator(".yours").get_by_role("textbox", name="Caption of photo.jpg")


def test_words_of_a_person_outlive_what_the_network_says(two: Page) -> None:
    page = two
    page.get_by_role("button", name="Open photo.jpg").click()
    expect(own(page)).to_have_value("MY OWN WORDS")
    expect(page.locator(".picture")).to_have_attribute("alt", "MY OWN WORDS")
    method = page.get_by_role("group", name="Method")
    with page.expect_response("**/v1/captions/stream*"):
        method.get_by_text("Greedy").click()
    expect(page.locator(".other")).to_have_count(1)
    expect(own(page)).to_have_value("MY OWN WORDS")

    method.get_by_text("Beam").click()
    expect(page.locator(".other")).to_have_count(3)
    page.get_by_role("button", name="drawn.png").click()
    expect(page.locator(".frame[data-state=done]")).to_be_visible()
    with page.expect_response("**/v1/captions/stream*"):
        page.get_by_role("button", name="Use these for all 2").click()
    expect(page.get_by_role("region", name="Undo")).to_contain_text(
        "1 picture is captioned anew; 1 that you have settled"
    )
    page.get_by_role("button", name="photo.jpg").click()
    expect(own(page)).to_have_value("MY OWN WORDS")

    page.locator(".other").nth(1).click()  # this does replace them, and can be undone
    expect(own(page)).to_be_hidden()
    undo(page)
    expect(own(page)).to_have_value("MY OWN WORDS")
    page.get_by_role("button", name="Take the network's words").click()
    expect(own(page)).to_be_hidden()
    page.locator("h1.hidden").first.press("ControlOrMeta+z")
    expect(own(page)).to_have_value("MY OWN WORDS")


def test_a_caption_is_edited_where_it_is_read(captioned: Page) -> None:
    page = captioned
    machine = page.locator(".sentence").inner_text()
    page.get_by_role("button", name="Edit").click()
    field = page.locator(".yours").get_by_role("textbox")
    expect(field).to_be_focused()
    expect(field).to_have_value(f"{machine}.")
    field.fill("He takes a picture.")
    field.press("Enter")
    expect(field).to_have_value("He takes a picture.")
    page.get_by_role("button", name="Copy as Alt").click()
    expect(page.get_by_role("status")).to_contain_text("Alt attribute copied.")
    assert page.evaluate("navigator.clipboard.readText()") == 'alt="He takes a picture."'
    page.get_by_role("button", name="Edit").click()
    field.fill(f"{machine}.")  # as it was: no longer anybody's words
    field.press("Escape")
    expect(field).to_be_hidden()


def test_what_is_removed_comes_back_to_its_place(two: Page) -> None:
    page = two
    names = page.locator(".card .name")
    page.get_by_role("button", name="Remove photo.jpg").click()
    expect(names).to_have_text(["drawn.png"])
    undo(page)
    expect(names).to_have_text(["photo.jpg", "drawn.png"])
    expect(page.locator(".card img").first).to_have_js_property("complete", True)
    expect(page.get_by_role("textbox", name="Caption of photo.jpg")).to_have_value("MY OWN WORDS")


def test_names_that_are_taken_are_numbered(open_page: Open, photo: bytes, encode: Encode) -> None:
    page = open_page("#many")
    drop(page, {"img.jpg": photo})
    drop(page, {"img.jpg": encode(draw(1))})
    expect(page.locator(".card .name")).to_have_text(["img.jpg", "img (2).jpg"])


def test_all_is_there_after_a_reload_and_a_killed_tab(two: Page, open_page: Open) -> None:
    page = two
    page.get_by_role("button", name="Open drawn.png").click()
    with page.expect_response("**/v1/captions/stream*") as response:
        page.get_by_role("slider", name="Beam size").fill("4")
    response.value.finished()
    expect(page.locator(".frame[data-state=done]")).to_be_visible()
    address = page.url
    words = page.locator(".sentence").inner_text()
    page.evaluate(WRITTEN)
    page.reload()
    expect(page.locator(".sentence")).to_have_text(words)
    assert page.url == address
    expect(page.get_by_role("slider", name="Beam size")).to_have_value("4")
    page.locator(".word").first.hover()
    expect(page.locator(".frame")).to_have_attribute("data-word", words.split()[0].lower())  # attention is there, too
    page.get_by_role("button", name="photo.jpg").click()
    expect(own(page)).to_have_value("MY OWN WORDS")
    page.go_back()
    expect(page.locator(".sentence")).to_have_text(words)
    page.evaluate(WRITTEN)
    page.close(run_before_unload=False)
    other = open_page("#many")
    expect(other.get_by_role("textbox", name="Caption of photo.jpg")).to_have_value("MY OWN WORDS")
    expect(other.locator(".card img").first).to_have_js_property("complete", True)
    expect(other.locator("#count")).to_have_text("2")


def test_a_second_tab_waits_until_the_first_is_closed(two: Page, open_page: Open) -> None:
    other = open_page("#many")
    expect(other.get_by_role("heading", name="A contact sheet for your pictures")).to_be_visible()
    drop(other, {"words.jpg": b"no picture"})
    expect(other.get_by_text("Another tab of this page keeps its pictures.")).to_be_visible()
    two.close()
    expect(other.get_by_text("Kept in this browser")).to_be_visible()  # and it has those of the first one, too
    expect(other.locator(".card .name")).to_have_text(["photo.jpg", "drawn.png", "words.jpg"])
    expect(other.get_by_role("textbox", name="Caption of photo.jpg")).to_have_value("MY OWN WORDS")


def test_what_is_to_be_forgotten_is_gone(two: Page) -> None:
    page = two
    page.evaluate(WRITTEN)
    page.once("dialog", lambda dialog: dialog.accept())
    with page.expect_navigation(url="**/#caption", wait_until="load"):
        page.get_by_role("button", name="Forget all now").click()
    expect(page.get_by_role("button", name="Caption this one")).to_be_visible()
    left = page.evaluate("""async () => {
        const {store} = await import("/web/shell/store.js");
        await store.ready;
        return [await store.read("pictures"), await store.read("files"), Object.keys(store.notes)];
    }""")
    assert left[:2] == [[], []]
    assert "selected" not in left[2]


def test_a_text_and_its_branches_are_there_again(open_page: Open) -> None:
    page = open_page("#write")
    page.get_by_role("slider", name="Length").fill("40")
    page.get_by_role("textbox", name="Prompt").fill("KING:")
    page.get_by_role("button", name="Write", exact=True).click()
    page.get_by_role("button", name="Go on").wait_for()
    text = page.locator(".paper .text").inner_text()
    page.evaluate(WRITTEN)
    page.reload()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert page.locator(".paper .text").inner_text() == text
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("KING:")
    expect(page.get_by_role("slider", name="Length")).to_have_value("40")
    page.locator(".token").first.hover()
    expect(page.get_by_role("group", name="Instead of")).to_be_visible()


def test_pictures_wait_for_a_server_that_is_away(open_page: Open, encode: Encode) -> None:
    page = open_page("#many")
    page.clock.install()
    page.evaluate(GREEDY)
    asked = []

    def away(route: Any) -> None:
        asked.append(route)
        route.abort("connectionrefused")

    page.route("**/v1/captions/stream*", away)
    drop(page, {f"{number}.png": encode(Image.new("RGB", (32, 24), (20 * number, 0, 90))) for number in range(8)})
    notice = page.get_by_role("alert").filter(has_text="The server can't be reached.")
    expect(notice).to_be_visible()
    until = time.monotonic() + 60
    while len(asked) < 30:  # many times what is left of patience with other failures
        assert time.monotonic() < until
        page.clock.fast_forward(5000)
        page.wait_for_timeout(20)
    expect(page.locator(".found")).to_have_text("8 pictures, 8 to go")
    page.unroute("**/v1/captions/stream*")
    page.clock.fast_forward(5000)
    expect(page.locator(".found")).to_have_text("8 pictures")
    expect(notice).to_be_hidden()
