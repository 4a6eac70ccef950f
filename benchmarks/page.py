"""The page in Chromium: what its first view weighs and takes, 200 pictures dropped on it at once, and a reload.

python benchmarks/page.py [--pictures 200] [--folder PICTURES]

Beside a figure with a bar stands whether it is met; the exit code is 1 if one is not.

Every tenth file is none of a picture. Pictures are those of a folder, else the README's at 1600 x 1200 pixels, each lit
otherwise. A task is what keeps the page from reacting; browsers tell of those over 50 ms.
"""

import argparse
import io
import shutil
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageEnhance
from playwright.sync_api import Browser, Page, sync_playwright
from service import PHOTO, ROOT, serving

WATCH = """
window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({type: "longtask", buffered: true});
"""
FIRST = """() => {
    const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return {
        "requests": entries.length,
        "bytes": entries.reduce((sum, entry) => sum + entry.transferSize, 0),
        "first paint, ms": paint ? paint.startTime : NaN,
        "usable, ms": window.usable,
    };
}"""
# When the last module has run: buttons work from here on.
USABLE = """
new MutationObserver((_, observer) => {
    if (document.documentElement.dataset.ready === undefined) return;
    window.usable = performance.now();
    observer.disconnect();
}).observe(document, {attributes: true, subtree: true});
"""
PREPARE = """(files) => {
    window.transfer ??= new DataTransfer();
    for (const [name, data] of files) {
        const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
        window.transfer.items.add(new File([bytes], name));
    }
}"""
DROP = """() => {
    window.tasks.length = 0;
    const event = new DragEvent("drop", {dataTransfer: window.transfer, bubbles: true, cancelable: true});
    document.querySelector("main").dispatchEvent(event);
}"""

RESTORED = """async (count) => {
    const selector = ".card[data-state=done], .card[data-state=failed]";
    while (document.querySelectorAll(selector).length < count) await new Promise(requestAnimationFrame);
    return performance.now();
}"""


BARS = {
    "bytes": 150_000,
    "usable, ms": 1000,
    "longest task, ms": 200,
    "restored after a reload, ms": 1000,
    "longest task then, ms": 200,
}
"""The most that a figure may be, on free cores."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise SystemExit("no chromium on the PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def file(number: int, found: Sequence[Path]) -> tuple[str, bytes]:
    """Name and contents of one of the files."""
    name = f"{number}.jpg"
    if number % 10 == 9:
        return name, b"no picture at all"
    if found:
        return name, found[number % len(found)].read_bytes()
    contents = io.BytesIO()
    with Image.open(PHOTO) as photo:
        large = photo.convert("RGB").resize((1600, 1200))
        ImageEnhance.Brightness(large).enhance(0.5 + number / 100).save(contents, "JPEG")
    return name, contents.getvalue()


def first_view(page: Page, url: str) -> dict[str, float]:
    """Figures of a visit without anything cached."""
    page.goto(url)
    page.locator("html[data-ready]").wait_for()
    page.wait_for_load_state("networkidle")
    return dict(page.evaluate(FIRST))


def many(page: Page, files: list[tuple[str, bytes]]) -> dict[str, float]:
    """Figures of files that are dropped together on the contact sheet."""
    page.evaluate("location.hash = 'many'")
    page.locator("#view-many h1").first.wait_for()
    for start in range(0, len(files), 10):  # they are large, and go over a wire of their own to the browser
        part = [(name, b64encode(data).decode()) for name, data in files[start : start + 10]]
        page.evaluate(PREPARE, part)
    began = time.perf_counter()
    page.evaluate(DROP)
    states = dict[str, int]()
    while states.get("done", 0) + states.get("failed", 0) < len(files):
        time.sleep(0.25)
        states = page.evaluate("""() => {
            const states = {};
            for (const card of document.querySelectorAll(".card")) {
                states[card.dataset.state] = (states[card.dataset.state] ?? 0) + 1;
            }
            return states;
        }""")
    seconds = time.perf_counter() - began
    tasks = page.evaluate("window.tasks")
    return {
        "files": len(files),
        "captioned": states.get("done", 0),
        "told what is wrong": states.get("failed", 0),
        "seconds": seconds,
        "tasks over 50 ms": len(tasks),
        "tasks over 200 ms": sum(task > 200 for task in tasks),
        "longest task, ms": max(tasks, default=0),
    }


def reloaded(page: Page, count: int) -> dict[str, float]:
    """Figures of a reload, from its beginning until all pictures are there with their captions."""
    page.evaluate("""async () => (await import("/web/shell/store.js")).store.write()""")
    page.wait_for_timeout(1000)
    page.reload(wait_until="commit")
    restored = page.evaluate(RESTORED, count)
    return {
        "restored after a reload, ms": restored,
        "longest task then, ms": max(page.evaluate("window.tasks"), default=0),
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    found = sorted(asked.folder.glob("*.jpg")) if asked.folder else []
    files = [file(number, found) for number in range(asked.pictures)]
    with serving(ROOT / "checkpoints") as service, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(WATCH + USABLE)
        figures = first_view(page, f"http://127.0.0.1:{service.port}") | many(page, files)
        figures |= reloaded(page, len(files))
        print(f"Chromium {browser.version}")
    over = False
    for name, value in figures.items():
        bar = BARS.get(name)
        told = "" if bar is None else f"  at most {bar:,}: {'yes' if value <= bar else 'NO'}"
        over |= bar is not None and value > bar
        print(f"{name:36}{value:12,.0f}{told}")
    raise SystemExit(over)


if __name__ == "__main__":
    main()
