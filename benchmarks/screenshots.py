"""Takes the pictures of the page that the documents show: `make screenshots`.

python benchmarks/screenshots.py [--folder docs]

The captioned picture, wide and on a phone, two ways to caption, a text, and the insides, as Chromium and this machine's
fonts show them.
"""

import argparse
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from page import chromium
from PIL import Image
from playwright.sync_api import Browser, Page
from service import PHOTO, ROOT, serving

QUALITY = 82
Theme = Literal["dark", "light"]


@contextmanager
def opened(browser: Browser, url: str, width: int, height: int, theme: Theme) -> Iterator[Page]:
    """The page, where nothing moves."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",
        device_scale_factor=1.5,
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.locator("html[data-ready]").wait_for()
    yield page
    context.close()


def save(page: Page, path: Path) -> None:
    """Saves the visible part of the page as WebP."""
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.save(path, "WEBP", quality=QUALITY, method=6)
    print(f"{path}  {path.stat().st_size / 1000:.0f} KB")


def caption(page: Page) -> None:
    """The README's picture, and where the network looked for its last word."""
    page.get_by_role("button", name="Caption this one").click()
    page.locator(".frame[data-state=done]").wait_for()
    page.locator(".word").last.hover()
    page.wait_for_timeout(300)


def compare(page: Page) -> None:
    """The page's own pictures, captioned by beam search and greedily."""
    caption(page)
    names = ("coffee", "cat", "silhouette", "rocket", "deep-space")
    for name in names:
        page.locator(f"#tries button[value={name}]").evaluate("(button) => button.click()")
        page.get_by_role("button", name=f"{name}.jpg, done").wait_for()
    page.evaluate("location.hash = 'many/compare'")
    page.get_by_role("button", name="Caption both ways").click()
    page.locator(".tally").filter(has_text=f"of {1 + len(names)}").wait_for()
    page.keyboard.press("a")
    page.keyboard.press("t")
    page.evaluate("document.querySelector('.compare-told').scrollIntoView()")
    page.mouse.wheel(0, -90)
    page.wait_for_timeout(500)


def write(page: Page) -> None:
    """A text, another each time, and what could have stood where the model was least sure."""
    page.evaluate("location.hash = 'write'")
    page.get_by_role("textbox", name="Prompt").fill("KING RICHARD:\n")
    page.get_by_role("button", name="Write", exact=True).click()
    page.get_by_role("button", name="Go on").wait_for()
    shares = page.evaluate("""() => Array.from(document.querySelectorAll(".token"), (token) =>
        Number(token.style.getPropertyValue("--p")))""")
    page.locator(".token").nth(min(range(20, 90), key=shares.__getitem__)).hover()
    page.wait_for_timeout(100)


def inside(page: Page) -> None:
    """The beam search for that picture."""
    caption(page)
    page.evaluate("location.hash = 'beam'")
    page.locator("svg.tree").wait_for()


def main() -> None:
    """Takes all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    folder = parser.parse_args().folder
    assert PHOTO.read_bytes() == (ROOT / "app" / "web" / "views" / "captioning" / "example.jpg").read_bytes()
    with serving(ROOT / "checkpoints") as service, chromium() as browser:
        url = f"http://127.0.0.1:{service.port}"
        pages: tuple[tuple[str, Callable[[Page], None], tuple[int, int], Theme], ...] = (
            ("page-caption", caption, (1200, 800), "light"),
            ("page-compare", compare, (1200, 800), "light"),
            ("page-write", write, (1200, 800), "light"),
            ("page-inside", inside, (1200, 640), "dark"),
            ("page-phone", caption, (390, 780), "dark"),
        )
        for name, act, size, theme in pages:
            with opened(browser, url, *size, theme) as page:
                act(page)
                save(page, folder / f"{name}.webp")


if __name__ == "__main__":
    main()
