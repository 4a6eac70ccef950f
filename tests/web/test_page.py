"""The page as a whole: what it weighs, whether it stays where it is, and whether everybody can use it."""

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.conftest import Open, drop, violations

pytestmark = pytest.mark.browser

MOST_BYTES = 150_000

WATCH = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(entry.value);
    }).observe({type: "layout-shift", buffered: true});
}"""


# As soon as what is drawn has followed the window, on a busy machine some frames later. (`wait_for_function` would
# evaluate a text each time, which the page's policy forbids.)
WIDTHS = """async () => {
    const root = document.documentElement, until = performance.now() + 5000;
    while (root.scrollWidth > document.body.clientWidth && performance.now() < until)
        await new Promise(requestAnimationFrame);
    return [root.scrollWidth, document.body.clientWidth];
}"""


def test_the_first_view_is_light_and_stands_still(open_page: Open, server: str) -> None:
    page = open_page()
    page.evaluate(WATCH)
    expect(page.get_by_role("button", name="Caption this one")).to_be_visible()
    page.wait_for_load_state("networkidle")
    weights = page.evaluate("""() => Object.fromEntries(
        [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
            .map((entry) => [entry.name, entry.transferSize]))""")
    assert all(name.startswith(f"{server}/") for name in weights)
    assert {name.rsplit("/", 1)[1] for name in weights} >= {"main.js", "base.css", "example.jpg", "models"}
    assert 10_000 < sum(weights.values()) < MOST_BYTES, weights
    assert page.evaluate("window.shifts") == []


def test_nothing_is_wider_than_the_window(captioned: Page) -> None:
    page = captioned
    drop(page, {"words.jpg": b"no picture at all"})
    page.locator(".told .trouble").wait_for()
    views = page.locator("main > section").evaluate_all("(sections) => sections.map((section) => section.ariaLabel)")
    assert len(views) > 4
    for view in views:
        page.get_by_role("link", name=view).click()
        page.locator(f"section[aria-label='{view}'] h1").locator("visible=true").first.wait_for()
        for width, height in ((320, 640), (768, 1024), (1920, 1080), (1280, 800)):
            page.set_viewport_size({"width": width, "height": height})
            wide, room = page.evaluate(WIDTHS)
            assert wide <= room, (view, width)
            expect(page.get_by_role("link", name=view)).to_be_in_viewport()
    page.set_viewport_size({"width": 320, "height": 640})
    for model in ("latex", "linux-c", "shakespeare", "flickr8k-coco"):
        page.get_by_role("combobox", name="Model").locator("visible=true").select_option(model)
        expect(page.locator(".card-text").get_by_role("heading", name=model)).to_be_visible()
        wide, room = page.evaluate(WIDTHS)
        assert wide <= room, model


def test_views_without_room_are_scrolled_to_the_open_one(page: Page) -> None:
    page.evaluate("""() => {
        const [first] = document.querySelectorAll(".views a");
        const more = first.cloneNode(true);
        more.removeAttribute("aria-current");
        for (let number = 0; number < 8; number++) first.after(more.cloneNode(true));
    }""")
    for width, height in ((320, 640), (768, 1024), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        for view in ("Look inside", "Caption"):
            page.evaluate("(hash) => location.hash = hash", "inside" if view == "Look inside" else "caption")
            expect(page.locator(".views a[aria-current]")).to_have_text(view)
            expect(page.locator(".views a[aria-current]")).to_be_in_viewport(ratio=0.9)
            wide, room = page.evaluate(WIDTHS)
            assert wide <= room, (view, width)


def test_the_theme_is_the_systems_until_another_is_chosen(browser: Browser, server: str) -> None:
    background = "getComputedStyle(document.documentElement).backgroundColor"
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(server)
        dark = page.evaluate(background)
        page.get_by_role("button", name="Dark").click()
        page.wait_for_function(f"{background} !== {dark!r}")
        light = page.evaluate(background)
        assert sum(map(int, light[4:-1].split(", "))) > 600 > 150 > sum(map(int, dark[4:-1].split(", ")))
        page.reload()
        assert page.evaluate(background) == light


def test_views_have_addresses_and_titles(open_page: Open) -> None:
    page = open_page("#write")
    expect(page).to_have_title("Write · Recap")
    expect(page.locator("section:visible")).to_have_count(1)
    expect(page.get_by_role("link", name="Write")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Batch").click()
    expect(page).to_have_title("Batch · Recap")
    page.go_back()
    expect(page.get_by_role("heading", name="How will it go on?")).to_be_visible()
    page.get_by_role("link", name="Skip to the view").press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page.get_by_role("heading", name="How will it go on?")).to_be_visible()


def test_the_page_says_what_it_is(page: Page, server: str) -> None:
    expect(page).to_have_title("Recap: captions for your pictures")
    manifest = httpx2.get(f"{server}/web/manifest.json").json()
    assert httpx2.get(f"{server}/web/{manifest['icons'][0]['src']}").status_code == 200
    for link in page.get_by_role("navigation", name="Views").get_by_role("link").all():
        assert len(link.get_attribute("title") or "") > 10
    response = page.goto(f"{server}/nowhere")
    assert response is not None
    assert response.status == 404
    expect(page.get_by_role("heading", name="Nothing is here")).to_be_visible()
    page.get_by_role("link", name="Recap's page").click()
    expect(page.get_by_role("button", name="Caption this one")).to_be_visible()
    assert httpx2.get(f"{server}/nowhere").json()["error"]["code"] == "not_found"


def test_the_picture_to_try_is_in_sight_on_a_phone(open_page: Open) -> None:
    page = open_page()
    page.set_viewport_size({"width": 390, "height": 780})
    expect(page.get_by_text("Caption this one")).to_be_in_viewport(ratio=1)
    below = page.get_by_role("navigation", name="Views").bounding_box()
    call = page.get_by_text("Caption this one").bounding_box()
    assert below
    assert call
    assert call["y"] + call["height"] < below["y"]  # the bar does not lie over it


def test_cards_use_the_width_that_there_is(open_page: Open) -> None:
    page = open_page("#inside")
    page.locator(".card-text table").first.wait_for()
    for width in (1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        cut = page.locator(".card-text .scroll").evaluate_all(
            "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1).length"
        )
        assert cut == 0


def states(page: Page, photo: bytes) -> Iterator[str]:
    """Walks through the views, each empty and in use."""
    yield "caption, empty"
    page.get_by_role("link", name="Batch").click()
    page.locator("#view-many h1").first.wait_for()
    yield "many, empty"
    page.get_by_role("link", name="Caption", exact=True).click()
    drop(page, {"photo.jpg": photo, "words.jpg": b"no picture at all"})
    page.locator(".frame[data-state=done]").wait_for()
    page.locator(".word").last.hover()
    yield "caption, in use"
    page.locator(".word").last.click()
    page.get_by_role("group", name="Instead of").wait_for()
    yield "caption, other words"
    page.get_by_text("How sure is it?").click()
    page.locator(".diagram").wait_for()
    page.get_by_text("What if a part were covered?").click()
    page.get_by_role("button", name="Cover each part in turn").click()
    page.get_by_role("group", name="What each word needs").get_by_role("button").first.hover()
    yield "caption, parts covered"
    page.get_by_role("group", name="Method").get_by_text("Sampling").click()
    page.get_by_role("button", name="words.jpg, failed").click()
    page.locator(".told .trouble").wait_for()
    yield "caption, failed"
    page.get_by_role("link", name="Batch").click()
    page.get_by_role("textbox", name="Caption of photo.jpg").fill("a man")
    yield "many, in use"
    page.get_by_role("button", name="List").click()
    page.get_by_role("button", name="Remove words.jpg").click()
    yield "many, as a list, with something to undo"
    page.get_by_role("button", name="Export").click()
    yield "the dialog to export"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("list", name="Warnings").wait_for()
    yield "review"
    page.get_by_role("button", name="Accept").click()
    page.get_by_role("heading", name="All of them are reviewed.").wait_for()
    yield "review, at its end"
    page.evaluate("location.hash = 'many/compare'")
    page.get_by_role("button", name="Caption both ways").click()
    page.get_by_role("button", name="Tie").and_(page.locator(":enabled")).first.click()
    yield "compare"
    page.get_by_role("link", name="Write").click()
    page.get_by_role("slider", name="Length").fill("60")
    page.get_by_role("button", name="Write", exact=True).click()
    page.get_by_role("button", name="Go on").wait_for()
    page.locator(".token").nth(30).hover()
    yield "write, in use"
    page.get_by_role("link", name="Caption", exact=True).click()
    page.get_by_role("button", name="photo.jpg").click()
    page.get_by_role("group", name="Method").get_by_text("Beam").click()
    page.get_by_role("link", name="Look inside").click()
    page.locator("svg.tree").wait_for()
    page.locator(".card-text").wait_for()
    yield "inside"
    page.evaluate("""async () => {
        const {askForKey} = await import("/web/shell/keys.js");
        const {Failure} = await import("/web/shell/failure.js");
        askForKey(new Failure({status: 401, code: "missing_api_key", message: "an API key is needed"}));
    }""")
    yield "the dialog for a key"


def test_axe_finds_nothing(still: Page, server: str, photo: bytes) -> None:
    still.goto(server)
    still.locator("html[data-ready]").wait_for()
    found = {}
    for state in states(still, photo):
        # What lies below a dialog has been walked through.
        if report := violations(still, "dialog[open]" if "dialog" in state else "html"):
            found[state] = report
    assert found == {}, "\n".join(f"{where}\n{report}" for where, report in found.items())
