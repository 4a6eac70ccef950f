"""The first view: pictures come in by every way, and their captions come out as the API has them."""

import hashlib
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready
from tests.app.http.test_fetch import Internet, internet
from tests.web.conftest import Encode, Open, drop

pytestmark = pytest.mark.browser

__all__ = ["internet"]  # a fixture

DONE = ".frame[data-state=done]"


def answer(server: str, photo: bytes, **parameters: Any) -> Any:
    response = httpx2.post(f"{server}/v1/captions", params=parameters, content=photo)
    assert response.status_code == 200, response.text
    return response.json()


def sentence(page: Page) -> str:
    return (page.locator(".sentence").text_content() or "").lower()


def choose(page: Page, *files: Path) -> None:
    page.locator("#file").set_input_files(files)


def test_a_click_captions_the_example_word_by_word(page: Page, server: str, photo: bytes) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.evaluate("""async () => {
        const {album} = await import("/web/views/captioning/album.js");
        window.lengths = [];
        window.progress = [];
        const note = () => {
            window.lengths.push(document.querySelectorAll(".word").length);
            window.progress.push(document.querySelector(".progress")?.textContent);
        };
        for (const name of ["changed", "word"]) album.addEventListener(name, note);
    }""")
    page.get_by_role("button", name="Caption this one").click()
    expect(page.locator("h1:focus")).to_have_text("Caption")  # not lost with the button
    page.locator(DONE).wait_for()
    best, *others = answer(server, photo, num_captions=3)["captions"]
    assert sentence(page) == best["text"]
    progress = [text for text, _ in groupby(page.evaluate("window.progress"))]
    assert [text for text in progress if text][-2:] == ["Looking at the picture…", "Finding words…"]
    expect(page.locator(".progress")).to_be_empty()
    lengths = page.evaluate("window.lengths.filter((length) => length)")
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 2  # not all at once
    told = page.locator(".other")
    assert [text.lower() for text in told.locator(".text").all_text_contents()] == [
        caption["text"] for caption in (best, *others)
    ]
    expect(told.locator(".percent").first).to_be_hidden()
    page.get_by_text("How sure is it?").click()
    assert [text.strip() for text in told.locator(".percent").all_inner_texts()] == [
        f"{round(100 * caption['confidence'])} %" for caption in (best, *others)
    ]
    for caption, text in zip((best, *others), told.locator(".sureness").all_text_contents(), strict=True):
        sure = caption["confidence"]
        assert text.startswith("likely good" if sure >= 0.5 else "check it" if sure >= 0.2 else "probably wrong")
    expect(page.get_by_role("status")).to_contain_text("photo.jpg: A man")
    expect(page.locator(".picture")).to_have_attribute("alt", f"{best['text'].capitalize()}.")
    expect(told.nth(0).locator(".text")).to_have_css("position", "absolute")  # it stands above, and not twice
    known = set(best["text"].split())
    marks = told.nth(2).locator("mark").all_inner_texts()
    assert marks
    assert {word.lower() for word in marks} >= set(others[1]["text"].split()) - known
    told.nth(2).click()
    assert sentence(page) == others[1]["text"]
    expect(told.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(told.nth(2)).to_be_focused()


def test_examples_are_easy_hard_and_wrong(page: Page) -> None:
    said = {}
    loaded = "performance.getEntriesByType('resource').some((entry) => entry.name.includes('/examples/'))"
    assert not page.evaluate(loaded)  # they come on demand
    examples = page.evaluate("[...document.querySelectorAll('#tries button')].map((button) => button.value)")
    assert len(examples) == 5
    for name in examples:
        page.locator(f"#tries button[value={name}]").evaluate("(button) => button.click()")
        page.get_by_role("button", name=f"{name}.jpg, done").wait_for()
        said[name] = sentence(page)
    assert {"espresso", "coffee", "cup"} & set(said["coffee"].split())
    assert "cat" in said["cat"].split()
    for name in ("rocket", "deep-space"):  # what the page says of them is true
        assert not {"rocket", "spaceship", "stars", "galaxies", "space", "sky"} & set(said[name].split())


def test_the_percentage_has_its_diagram_from_the_checkpoints_figures(tab: Page) -> None:
    (card,) = [card for card in httpx2.get(tab.url.partition("#")[0] + "v1/models").json()["data"] if "encoder" in card]
    selection = card["metrics"]["calibration"]["selection"]
    found = tab.evaluate(
        "async (rows) => (await import('/web/views/captioning/reliability.js')).groups(rows)", selection
    )
    assert sum(group["share"] for group in found) == pytest.approx(1)
    for least in selection:  # what a least confidence keeps is what the groups from there on have
        kept = [group for group in found if group["low"] >= least["least"]]
        assert sum(group["share"] for group in kept) == pytest.approx(least["kept"])
        assert sum(group["share"] * group["good"] for group in kept) == pytest.approx(least["kept"] * least["good"])
        assert all(0 <= group["good"] <= 1 for group in kept)
    told = tab.evaluate(
        """async (card) => {
        const {reliability} = await import("/web/views/captioning/reliability.js");
        const text = (node) => node.textContent;
        return [text(reliability(card)), text(reliability({...card, metrics: {}}))];
    }""",
        card,
    )
    assert f"{round(100 * found[0]['good'])} %" in told[0]
    assert "From metrics.json of flickr8k-coco" in told[0]
    assert "has no calibration" in told[1]


def test_pictures_are_chosen_pasted_dropped_and_taken(page: Page, files: list[Path], photo: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose pictures").click()
    assert chooser.value.is_multiple()
    chooser.value.set_files(files[:2])
    strip = page.get_by_role("list", name="Pictures")
    expect(strip.get_by_role("button", name="photo.jpg, done")).to_be_visible()
    expect(strip.get_by_role("button", name="drawn-0.png, done")).to_be_visible()
    page.evaluate("""() => {
        const transfer = new DataTransfer();
        const canvas = new OffscreenCanvas(40, 30);
        canvas.getContext("2d");
        return canvas.convertToBlob().then((blob) => {
            transfer.items.add(new File([blob], "image.png", {type: "image/png"}));
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
        });
    }""")
    expect(strip.get_by_role("button", name="pasted-1.png, done")).to_have_attribute("aria-current", "true")
    drop(page, {"dropped.jpg": photo})
    expect(strip.get_by_role("button", name="dropped.jpg, done")).to_have_attribute("aria-current", "true")
    expect(page.locator("#curtain")).to_be_hidden()
    assert sentence(page).endswith("camera")
    strip.get_by_role("button", name="drawn-0.png").click()
    expect(strip.locator("[aria-current=true]")).to_have_accessible_name("drawn-0.png, done")
    assert strip.locator("[tabindex='0']").count() == 1  # one stop of the tab key for all pictures
    page.keyboard.press("ArrowLeft")
    expect(strip.get_by_role("button", name="photo.jpg, done")).to_be_focused()
    assert sentence(page).endswith("camera")
    page.go_back()
    expect(strip.get_by_role("button", name="drawn-0.png, done")).to_have_attribute("aria-current", "true")


def test_a_folder_is_dropped_with_all_that_is_in_it(page: Page, files: list[Path]) -> None:
    """By the browser's own drag and drop: no script can make an event that has a folder."""
    folder = files[0].parent
    (folder / "deeper").mkdir()
    files[3].rename(folder / "deeper" / "other.png")
    (folder / "notes.txt").write_text("no picture, and left alone", encoding="utf-8")
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    expect(page.locator("#curtain")).to_be_visible()
    session.send("Input.dispatchDragEvent", {"type": "drop", "x": 300, "y": 300, "data": data})
    expect(page.locator("#curtain")).to_be_hidden()
    names = ("deeper/other.png", "drawn-0.png", "drawn-1.png", "photo.jpg")
    told = page.get_by_role("list", name="Pictures").get_by_role("button")
    for place, name in enumerate(names, start=1):  # after the one that adds pictures
        expect(told.nth(place)).to_have_accessible_name(f"{folder.name}/{name}, done")
    expect(told).to_have_count(1 + len(names))


def test_the_camera_takes_a_picture_and_is_let_go(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    dialog.get_by_role("button", name="Take the picture").click()
    expect(dialog).to_be_hidden()
    page.locator(DONE).wait_for()
    strip = page.get_by_role("list", name="Pictures")
    expect(strip.get_by_role("button", name=re.compile(r"camera-.*\.jpg, done"))).to_be_visible()
    assert len(sentence(page).split()) > 2
    assert page.locator("video").count() == 0


LINK = """([type, url]) => {
    const transfer = new DataTransfer();
    transfer.setData(type, url);
    const options = {bubbles: true, cancelable: true};
    const event = type === "text/plain"
        ? new ClipboardEvent("paste", {...options, clipboardData: transfer})
        : new DragEvent("drop", {...options, dataTransfer: transfer});
    document.body.dispatchEvent(event);
}"""


def test_a_link_is_told_which_setting_would_fetch_it(tab: Page) -> None:
    for type in ("text/uri-list", "text/plain"):
        tab.evaluate(LINK, [type, "http://elsewhere.example/dog.jpg"])
        told = tab.get_by_role("alert").filter(has_text="http://elsewhere.example/dog.jpg: URLs are not fetched")
        expect(told).to_contain_text("Whoever runs this server can allow hosts with RECAP_URL_HOSTS.")
        tab.evaluate("document.querySelector('#notice').textContent = ''")


def test_links_are_fetched_by_the_server(
    open_page: Open, internet: Internet, tiny_checkpoint: Path, photo: bytes
) -> None:
    internet.pages |= {"/a%20dog.jpg": (200, {}, photo), "/cat": (200, {}, photo), "/text": (200, {}, b"words" * 9)}
    settings = Settings(checkpoints=tiny_checkpoint.parent, threads=1, url_hosts=("pictures.example",))
    with serving(create_app(settings)) as client:
        wait_until_ready(client)
        page = open_page(url=str(client.base_url).rstrip("/"))
        page.evaluate(
            LINK, ["text/uri-list", "# two\nhttp://pictures.example/a%20dog.jpg\nhttp://pictures.example/cat"]
        )
        strip = page.get_by_role("list", name="Pictures")
        expect(strip.get_by_role("button", name="a dog.jpg, done")).to_be_visible()
        expect(strip.get_by_role("button", name="cat.jpeg, done")).to_be_visible()
        page.evaluate(LINK, ["text/plain", "http://pictures.example/text"])
        expect(page.get_by_role("alert").filter(has_text="not a picture in a known format")).to_be_visible()
        page.evaluate(LINK, ["text/plain", "http://elsewhere.example/"])
        expect(page.get_by_role("alert").filter(has_text="can allow it with RECAP_URL_HOSTS")).to_be_visible()


def test_a_slow_upload_tells_how_far_it_is(open_page: Open, encode: Encode) -> None:
    page = open_page()
    page.evaluate("""async () => {
        const {album} = await import("/web/views/captioning/album.js");
        window.notes = [];
        album.on("changed", ({note}) => note && window.notes.push(note));
    }""")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1_000_000}  # bytes a second
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    drop(page, {"noise.png": encode(Image.effect_noise((1200, 1200), 90))})
    page.locator(DONE).wait_for()
    shares = [int(note.split(" ")[1]) for note in page.evaluate("window.notes")]
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 100
    expect(page.locator(".progress")).to_be_empty()


def test_each_bad_picture_is_told_where_it_is_and_the_others_go_on(
    page: Page, files: list[Path], tmp_path: Path, photo: bytes
) -> None:
    bad = {
        "words.txt.jpg": (b"These are words. " * 9, "not_an_image", "are not a picture"),
        "cut.jpg": (photo[: len(photo) // 2], "damaged_image", "truncated or damaged"),
        "nothing.png": (b"", "empty_image", "0 bytes"),
        "paper.jpg": (b"%PDF-1.7 " + b"x" * 99, "unsupported_format", "PDF document"),
    }
    drop(page, {"photo.jpg": photo} | {name: data for name, (data, _, _) in bad.items()})
    strip = page.get_by_role("list", name="Pictures")
    expect(strip.get_by_role("button", name="photo.jpg, done")).to_be_visible()
    for name, (_, code, message) in bad.items():
        strip.get_by_role("button", name=f"{name}, failed").click()
        trouble = page.locator(".told .trouble")
        expect(trouble).to_have_attribute("data-code", code)
        expect(trouble).to_contain_text(message)
        assert trouble.locator("p").first.inner_text().count(".") >= 2  # what was wrong, and what to do
        expect(trouble.get_by_role("button", name="Try again")).to_have_count(0)  # it would fail again
    trouble.get_by_role("button", name="Remove").click()
    expect(strip.get_by_role("button", name="paper.jpg")).to_have_count(0)
    strip.get_by_role("button", name="photo.jpg").click()
    assert sentence(page).endswith("camera")


def test_a_server_that_is_gone_is_told_and_waited_for(open_page: Open, photo: bytes) -> None:
    page = open_page()
    page.clock.install()
    page.route("**/v1/captions/stream*", lambda route: route.abort("connectionrefused"))
    drop(page, {"photo.jpg": photo})
    notice = page.get_by_role("alert").filter(has_text="The server can't be reached.")
    for seconds in (1, 2, 3, 4, 5, 5):
        expect(page.locator(".progress")).to_contain_text(f"Trying again in {seconds} s.")
        expect(notice).to_be_visible()
        page.clock.fast_forward(1000 * seconds)
    page.unroute("**/v1/captions/stream*")
    page.clock.fast_forward(5000)
    page.locator(DONE).wait_for()
    expect(notice).to_be_hidden()


def test_a_busy_server_is_waited_for(open_page: Open, photo: bytes) -> None:
    page = open_page()
    page.clock.install()
    refusals = iter(range(2))

    def busy(route: Any) -> None:
        if next(refusals, None) is None:
            route.continue_()
        else:
            body = {"error": {"code": "queue_full", "message": "72 pictures wait already", "request_id": "x"}}
            route.fulfill(status=429, json=body, headers={"retry-after": "60"})

    page.route("**/v1/captions/stream*", busy)
    drop(page, {"photo.jpg": photo})
    for _ in range(2):
        expect(page.locator(".progress")).to_have_text("72 pictures wait already. Trying again in 60 s.")
        page.clock.fast_forward(60_000)
    page.locator(DONE).wait_for()
    assert next(refusals, None) is None


def test_a_key_is_asked_for_and_a_large_picture_sent_smaller(
    open_page: Open, encode: Encode, tiny_checkpoint: Path, photo: bytes
) -> None:
    digest = hashlib.sha256(b"open sesame").hexdigest()
    settings = Settings(checkpoints=tiny_checkpoint.parent, threads=1, api_keys=(digest,), max_pixels=600_000)
    with serving(create_app(settings)) as client:
        wait_until_ready(client)
        page = open_page(url=str(client.base_url).rstrip("/"))
        dialog = page.get_by_role("dialog", name="This server wants a key")
        expect(dialog).to_contain_text("An API key is needed")  # before anything was asked for
        held: list[Route] = []
        page.route("**/v1/models", lambda route: held.append(route), times=1)
        with page.expect_request("**/v1/models"):
            drop(page, {"photo.jpg": photo})
        expect(page.get_by_text("How words are chosen")).to_be_hidden()  # it isn't known what there is to choose
        dialog.get_by_label("API key").fill("open barley")
        dialog.get_by_role("button", name="Use this key").click()
        with page.expect_request(lambda asked: "authorization" in asked.headers):
            held[0].continue_()  # what left without a key is refused after one was entered, and goes again with it
        expect(dialog).to_contain_text("This API key is not known here.")
        dialog.get_by_role("button", name="Not now").click()
        expect(page.locator(".told .trouble")).to_contain_text("Check the key")
        page.get_by_role("button", name="Enter a key").click()
        dialog.get_by_label("API key").fill("open sesame")
        page.keyboard.press("Enter")
        page.locator(DONE).wait_for()
        page.reload()
        page.locator(DONE).wait_for()
        drop(page, {"wide.png": encode(Image.new("RGB", (2400, 300)))})  # the key is still known, in this tab
        trouble = page.locator(".told .trouble")
        expect(trouble).to_contain_text("The picture has 2,400 x 300 pixels; at most 600,000")
        trouble.get_by_role("button", name="Send a smaller copy").click()
        page.locator(DONE).wait_for()
