"""The view of speech: a text, a voice, the sound, and its words."""

import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving
from tests.voices import save_synthesiser
from tests.web.conftest import Open

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a synthesiser of two voices."""
    folder = tmp_path_factory.mktemp("speak")
    save_synthesiser(folder / "tiny-voice")
    with serving(create_app(Settings(checkpoints=folder, threads=1))) as client:
        yield str(client.base_url).rstrip("/")


def test_a_text_is_said_word_by_word(open_page: Open, address: str) -> None:
    page = open_page("#speak", url=address)
    expect(page.get_by_role("combobox", name="Voice").get_by_role("option")).to_have_text(["Ann: says words", "Bob"])
    page.get_by_role("textbox", name="Text").fill("Hello. Go on, zorp!")
    page.get_by_role("combobox", name="Voice").select_option("bob")
    page.get_by_role("button", name="Speak").click()
    said = page.locator("#speech-said")
    words = said.get_by_role("list", name="Word by word").get_by_role("listitem")
    expect(words).to_have_count(4)
    expect(said.locator(".unheard")).to_have_count(1)
    expect(said).to_contain_text("may sound wrong: zorp.")
    until = time.monotonic() + 20
    while not page.evaluate("document.querySelector('#speech-said audio').duration > 0.1"):
        assert time.monotonic() < until
        page.wait_for_timeout(50)
    expect(said.get_by_role("link", name="Download")).to_have_attribute("download", "speech.wav")
    page.get_by_role("textbox", name="Text").fill("...")
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_role("alert")).to_contain_text("There is nothing to say in the text")
    expect(words).to_have_count(0)


def test_axe_finds_nothing(browser: Browser, address: str) -> None:
    with browser.new_context(reduced_motion="reduce", bypass_csp=True) as context:
        page = context.new_page()
        page.goto(f"{address}/#speak")
        page.get_by_role("button", name="Speak").click()
        page.get_by_role("list", name="Word by word").wait_for()
        results = Axe().run(page, options={"resultTypes": ["violations"]})
        assert not results.violations_count, results.generate_report()
