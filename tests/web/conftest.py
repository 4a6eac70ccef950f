"""A real server in a process of its own, and a real browser; both shared by all of these tests."""

import io
import json
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import axe_playwright_python
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import ROOT, find_browser
from tests.forks import begin, recap_telling

expect.set_options(timeout=20_000)  # for machines that are slow, or busy

_DROP = """([files, target]) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files) {
        const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
    }
    for (const type of ["dragenter", "dragover", "drop"]) {
        const event = new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true});
        document.querySelector(target).dispatchEvent(event);
    }
}"""

_AFRESH = """async () => {
    const {album} = await import("/web/views/captioning/album.js");
    const {decoding} = await import("/web/views/captioning/decoding.js");
    document.activeElement.blur();
    location.hash = "caption";
    for (const picture of [...album.pictures]) album.remove(picture);
    decoding.reset();
}"""

Open = Callable[..., Page]
Visit = Callable[[], AbstractContextManager[Open]]
Encode = Callable[[Image.Image], bytes]


def drop(page: Page, contents: Mapping[str, bytes], target: str = "main") -> None:
    """Drops files, by their names, as a hand would."""
    files = [(name, b64encode(data).decode()) for name, data in contents.items()]
    page.evaluate(_DROP, [files, target])


def caption_example(page: Page) -> None:
    """Captions the page's own picture."""
    page.get_by_role("button", name="Caption this one").click()
    page.locator(".frame[data-state=done]").wait_for()


def sentence(text: str) -> str:
    """The caption as the page shows it."""
    return f"{text[:1].upper()}{text[1:]}."


def exported(page: Page, form: str) -> tuple[str, str]:
    """Exports from the contact sheet, and returns the file's name and text."""
    page.get_by_role("button", name="Export").click()
    dialog = page.get_by_role("dialog", name="Export")
    dialog.get_by_text(form, exact=True).click()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Export").click()
    return download.value.suggested_filename, download.value.path().read_text(encoding="utf-8")


def axe_reports(page: Page, part: str) -> list[str]:
    """The violations that axe finds in a part of the page, in both themes.

    The script goes through the debugger's door, so that the page may keep its policy.
    """
    page.emulate_media(reduced_motion="reduce")  # or colours would be judged half-way
    world = page.context.new_cdp_session(page)
    source = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    world.send("Runtime.evaluate", {"expression": source})
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        run = f"axe.run({part!r}, {{resultTypes: ['violations']}}).then(({{violations}}) => JSON.stringify(violations))"
        answer = world.send("Runtime.evaluate", {"expression": run, "awaitPromise": True, "returnByValue": True})
        found += [
            f"{theme}: {violation['id']}: {[node['html'] for node in violation['nodes'][:3]]}"
            for violation in json.loads(answer["result"]["value"])
        ]
    page.emulate_media(reduced_motion="null", color_scheme="null")
    return found


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    """Address of a server with the checkpoints that are shipped, once it is ready."""
    options = ("serve", "--port", "0", "--checkpoints", str(ROOT / "checkpoints"))
    with NamedTemporaryFile("r", encoding="utf-8") as log:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("RECAP_")]:
                patch.delenv(name)
            process = begin(recap_telling, log.name, *options, RECAP_THREADS="1")
        try:
            until = time.monotonic() + 150  # machines may be slow, or busy
            while "serving " not in (told := Path(log.name).read_text(encoding="utf-8")) or "http://" not in told:
                assert process.is_alive(), told
                assert time.monotonic() < until, told
                time.sleep(0.1)
            yield "http://" + told.partition("http://")[2].split()[0].strip('",')
        finally:
            process.kill()
            process.join()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, with a camera and a microphone that are none."""
    devices = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", *devices])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def errors() -> list[str]:
    """What scripts threw, and what the page's policy forbade, in any tab."""
    return []


@pytest.fixture(autouse=True)
def no_errors(errors: list[str]) -> Iterator[None]:
    """Any of these fails the test in which it happened."""
    yield
    told, errors[:] = errors[:], []
    assert told == []


@pytest.fixture(scope="package")
def visit(browser: Browser, server: str, errors: list[str]) -> Visit:
    """A visitor for a `with` block, who may use clipboard, camera and microphone.

    What is stored, is stored for this one alone.
    """

    def note(message: ConsoleMessage) -> None:
        # What the server refuses is told as an error too, and is often what a test is about.
        if message.type == "error" and "Failed to load resource" not in message.text:
            errors.append(message.text)

    @contextmanager
    def visit() -> Iterator[Open]:
        with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
            context.grant_permissions(["clipboard-read", "clipboard-write", "camera", "microphone"])
            context.set_default_timeout(20_000)

            def open_page(fragment: str = "", url: str = server) -> Page:
                page = context.new_page()
                page.on("pageerror", lambda error: errors.append(str(error)))
                page.on("console", note)
                page.goto(f"{url}/{fragment}")
                page.locator("html[data-ready]").wait_for()
                return page

            yield open_page

    return visit


@pytest.fixture
def open_page(visit: Visit) -> Iterator[Open]:
    """Opens the page for one test: `open_page(fragment, url=)`."""
    with visit() as open_page:
        yield open_page


@pytest.fixture
def page(open_page: Open) -> Page:
    """The page as it is first seen."""
    return open_page()


@pytest.fixture(scope="package")
def tab(visit: Visit) -> Iterator[Page]:
    """A tab that tests share, one after the other: to open one for each takes longer than most of them."""
    with visit() as open_page:
        yield open_page()


@pytest.fixture
def captioned(tab: Page) -> Page:
    """The page with the caption of its own picture, and nothing else: what tests before did is undone."""
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.mouse.move(0, 0)
    tab.emulate_media(reduced_motion="no-preference")
    tab.evaluate(_AFRESH)
    caption_example(tab)
    return tab


@pytest.fixture(scope="package")
def photo() -> bytes:
    """The README's picture, a JPEG of 512 x 512."""
    return (ROOT / "docs" / "photo.jpg").read_bytes()


@pytest.fixture
def files(tmp_path: Path, photo: bytes, pictures: list[Image.Image]) -> list[Path]:
    """Four pictures in files: the README's, and three that are drawn."""
    (tmp_path / "photo.jpg").write_bytes(photo)
    for number, picture in enumerate(pictures[:3]):
        picture.save(tmp_path / f"drawn-{number}.png")
    return [tmp_path / "photo.jpg", *(tmp_path / f"drawn-{number}.png" for number in range(3))]


@pytest.fixture(scope="package")
def encode() -> Encode:
    """The bytes of a picture's PNG file."""

    def encode(image: Image.Image) -> bytes:
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()

    return encode
