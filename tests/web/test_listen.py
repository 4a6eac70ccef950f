"""The view of transcription: a microphone that hears beeps, files chosen or dropped, the text and its words."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving
from tests.conftest import find_browser
from tests.recordings import recording, save_recogniser
from tests.web.conftest import BROWSER, Open, drop, violations

pytestmark = pytest.mark.browser

WATCHED = """() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.tracks = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await open(wanted);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
}"""
OPEN = "tracks.filter((track) => track.readyState === 'live').length"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two recognisers: one hears letters in noise, the other hears nothing."""
    folder = tmp_path_factory.mktemp("listen")
    save_recogniser(folder / "tiny-speech")
    save_recogniser(folder / "deaf", blank=100)
    settings = Settings(checkpoints=folder, threads=1, defaults={"transcription": "tiny-speech"})
    with serving(create_app(settings)) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def booth(open_page: Open, address: str) -> Page:
    """The view, in a page that knows which microphones are open."""
    page = open_page("#listen", url=address)
    page.evaluate(WATCHED)
    page.get_by_role("heading", name="What is said?").wait_for()
    return page


def wait_until(page: Page, condition: str) -> None:
    """Waits until a condition holds; Playwright's own way is against the page's policy."""
    until = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(50)


def expect_text(page: Page) -> None:
    """Waits for a text, its words, and the waveform above them."""
    answer = page.locator("#transcription-answer")
    text = answer.get_by_role("heading").inner_text()
    words = answer.get_by_role("list", name="Word by word").get_by_role("button")
    assert words.all_inner_texts() == text.split()
    box = answer.locator(".waveform").bounding_box()
    assert box
    assert (box["width"] > 300, box["height"]) == (True, 60)


def test_the_button_records_until_it_is_pressed_again(booth: Page) -> None:
    booth.get_by_role("button", name="Record", exact=True).click()
    stop = booth.get_by_role("button", name="Stop")
    booth.wait_for_timeout(1500)
    assert booth.evaluate(OPEN) == 1
    stop.click()
    expect_text(booth)
    expect(booth.get_by_role("button", name="Record", exact=True)).to_be_visible()
    assert booth.evaluate(OPEN) == 0


def test_the_space_bar_records_while_it_is_held_on_the_button(booth: Page) -> None:
    record = booth.locator(".booth .primary")
    record.focus()
    booth.keyboard.down("Space")
    expect(record).to_have_text("Stop")
    booth.wait_for_timeout(1500)
    booth.keyboard.down("Space")  # as keyboards repeat it
    booth.keyboard.up("Space")
    expect(record).to_have_text("Record")
    expect_text(booth)
    assert booth.evaluate(OPEN) == 0
    assert booth.evaluate("tracks.length") == 1


def test_the_space_bar_does_nothing_else_where_the_button_is_not(booth: Page) -> None:
    booth.locator("body").press("Space")
    other = booth.get_by_role("button", name="Choose a recording")
    other.evaluate("(button) => button.addEventListener('click', () => { window.pressed = true; })")
    other.focus()
    booth.keyboard.press("Space")
    wait_until(booth, "window.pressed === true")
    assert booth.evaluate("tracks.length") == 0


def test_the_button_lets_go_of_the_microphone_with_the_focus(booth: Page) -> None:
    record = booth.locator(".booth .primary")
    record.focus()
    booth.keyboard.down("Space")
    wait_until(booth, "tracks.length === 1")
    record.blur()
    expect(record).to_have_text("Record")
    wait_until(booth, f"{OPEN} === 0")
    booth.keyboard.up("Space")


def test_files_are_chosen_and_dropped(booth: Page, tmp_path: Path) -> None:
    (tmp_path / "noise.flac").write_bytes(recording(2, "FLAC"))
    with booth.expect_file_chooser() as chooser:
        booth.get_by_role("button", name="Choose a recording").click()
    chooser.value.set_files(tmp_path / "noise.flac")
    expect_text(booth)
    expect(booth.locator("#transcription-answer")).to_contain_text("2.0 s")
    drop(booth, {"longer.wav": recording(3)})
    expect(booth.locator("#transcription-answer")).to_contain_text("3.0 s")


def test_words_and_the_recording_play(booth: Page) -> None:
    drop(booth, {"noise.wav": recording(2)})
    expect_text(booth)
    booth.evaluate("""() => {
        window.played = [];
        const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
            this.addEventListener("ended", () => window.played.push(this.duration));
            return play.call(this);
        };
    }""")
    word = booth.get_by_role("list", name="Word by word").get_by_role("listitem").first
    begin, end = word.locator("small").first.inner_text().removesuffix(" s").split("–")
    word.get_by_role("button").click()
    wait_until(booth, "played.length === 1")
    assert booth.evaluate("played[0]") == pytest.approx(float(end) - float(begin), abs=0.02)
    assert booth.locator("audio").evaluate("(audio) => audio.duration") == pytest.approx(2, abs=0.01)


def test_another_model_hears_the_same_recording(booth: Page) -> None:
    drop(booth, {"noise.wav": recording(1)})
    expect_text(booth)
    booth.locator("#view-listen").get_by_role("combobox", name="Model").select_option("deaf")
    expect(booth.locator("#transcription-answer")).to_contain_text("Nothing is said.")
    expect(booth.get_by_role("list", name="Word by word")).to_have_count(0)


def test_a_file_that_is_no_recording_is_told(booth: Page) -> None:
    drop(booth, {"words.wav": b"no recording at all"})
    alert = booth.locator(".booth").get_by_role("alert")
    expect(alert).to_contain_text("The browser finds no recording in this file")
    drop(booth, {"noise.wav": recording(1)})
    expect_text(booth)
    expect(alert).to_be_empty()


def test_a_microphone_that_is_refused_is_told(browser: Browser, address: str) -> None:
    """In a browser that asks, where nobody answers."""
    asking = browser.browser_type.launch(executable_path=find_browser(), args=BROWSER)
    try:
        page = asking.new_page()
        page.goto(f"{address}/#listen")
        page.get_by_role("button", name="Record", exact=True).click()
        alert = page.locator(".booth").get_by_role("alert")
        expect(alert).to_contain_text("The browser does not let this page use the microphone.")
        expect(page.get_by_role("button", name="Record", exact=True)).to_be_visible()
    finally:
        asking.close()


def test_axe_finds_nothing(still: Page, address: str) -> None:
    still.goto(f"{address}/#listen")
    still.get_by_role("heading", name="What is said?").wait_for()
    assert violations(still) == ""
    drop(still, {"noise.wav": recording(2)})
    expect_text(still)
    assert violations(still) == ""
