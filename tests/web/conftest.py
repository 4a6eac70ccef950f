"""A real server in a process of its own, and a real browser; both shared by all of these tests."""

import io
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
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

# For the popup of an address bar that nobody sees, Chromium loads a page in each window, which takes longer than ours.
# The last of these options counts: the other features are those that Playwright switches off.
_WITHOUT = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *(
        "DestroyProfileOnBrowserClose",
        "HttpsFirstBalancedModeAutoEnable",
        "HttpsUpgrades",
        "LensOverlay",
        "MediaRouter",
    ),
    *("NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch"),
    "ThirdPartyStoragePartitioning",
)
BROWSER = ("--no-sandbox", f"--disable-features={','.join(_WITHOUT)}", "--use-fake-device-for-media-stream")
"""Options of Chromium, which has a camera and a microphone that are none."""

# Rules that judge colours; all others say the same of either theme.
_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}

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


def violations(page: Page, part: str = "html") -> str:
    """The faults that axe finds in a page, or in a part of it, in either theme; empty if there are none."""
    found = []
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for theme, rules in (("light", {}), ("dark", _COLOURS)):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        given = [part, {"resultTypes": ["violations"], **rules}]
        results = AxeResults(page.evaluate("([part, options]) => axe.run(part, options)", given))
        if results.violations_count:
            found.append(f"{theme}: {results.generate_report()}")
    return "\n".join(found)


@pytest.fixture
def still(browser: Browser) -> Iterator[Page]:
    """A page to be judged by axe, in a context of its own.

    It has no motion, or colours would be judged half-way, and no policy, or axe could not be put into it.
    """
    with browser.new_context(reduced_motion="reduce", bypass_csp=True) as context:
        yield context.new_page()


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
    """Chromium, where everybody may use camera and microphone."""
    options = [*BROWSER, "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=options)
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
