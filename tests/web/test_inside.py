"""The fourth view: the search for the last caption as the API tells it, and what the checkpoints say of themselves."""

import json
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.web.conftest import Open

pytestmark = pytest.mark.browser


@pytest.fixture
def inside(captioned: Page) -> Page:
    """The view, after a picture was captioned."""
    page = captioned
    page.get_by_role("link", name="Look inside").click()
    page.locator("svg.tree").wait_for()
    return page


@pytest.fixture(scope="module")
def answer(server: str, photo: bytes) -> Any:
    return httpx2.post(f"{server}/v1/captions", params={"tree": True, "num_captions": 3}, content=photo).json()


def test_the_tree_is_the_search(inside: Page, answer: Any) -> None:
    page, tree = inside, answer["tree"]
    expect(page.locator(".last")).to_contain_text(answer["captions"][0]["text"].capitalize())
    nodes = [node for step in tree["steps"] for node in step]
    marks = page.locator("svg.tree .node")
    expect(marks).to_have_count(len(nodes))
    classes = page.evaluate("Array.from(document.querySelectorAll('.node'), (node) => node.classList[1])")
    paths = []
    for place in tree["captions"]:
        path = []
        for time in range(len(tree["steps"]) - 1, -1, -1):
            path.append((time, place))
            place = tree["steps"][time][place].get("parent")
        paths.append(set(path))
    flat = [(time, place) for time, step in enumerate(tree["steps"]) for place in range(len(step))]
    for where, node, kind in zip(flat, nodes, classes, strict=True):
        if where in paths[0]:
            assert kind == "best"
        elif any(where in path for path in paths):
            assert kind == "caption"
        else:
            assert kind == ("lived" if node["kept"] else "died")
    best = page.evaluate("Array.from(document.querySelectorAll('.node.best text'), (text) => text.textContent)")
    assert [word for word in best if word not in ("■", "·")] == answer["captions"][0]["text"].split()
    expect(page.locator(".hypothesis")).to_contain_text(f"“{answer['captions'][0]['text']}”, complete")
    dead = next(place for place, node in enumerate(nodes) if not node["kept"])
    marks.nth(dead).hover()
    expect(page.locator(".hypothesis")).to_contain_text(f"log-probability {nodes[dead]['logprob']:.2f}, dropped here")
    expect(page.locator(".time")).to_contain_text("ms finding words")


def test_the_keyboard_walks_the_tree(inside: Page, answer: Any) -> None:
    page, steps = inside, answer["tree"]["steps"]
    page.locator("svg.tree [tabindex='0']").focus()
    time, place = len(steps) - 1, answer["tree"]["captions"][0]
    while time:
        page.keyboard.press("ArrowLeft")
        place, time = steps[time][place]["parent"], time - 1
        expect(page.locator(".hypothesis")).to_contain_text(f"Step {time + 1}: ")
        if "text" in steps[time][place]:
            expect(page.locator(":focus text")).to_have_text(steps[time][place]["text"])
    page.keyboard.press("ArrowDown")
    expect(page.locator(":focus text")).to_have_text(steps[0][place + 1]["text"])
    expect(page.locator("svg.tree [tabindex='0']")).to_have_count(1)


def figures(name: str) -> list[str]:
    metrics = json.loads((ROOT / "checkpoints" / name / "metrics.json").read_text(encoding="utf-8"))
    return [f"{figure['label']}{figure['value']:.3f}" for figure in metrics["figures"]]


def test_the_card_and_the_figures_are_the_checkpoints(inside: Page) -> None:
    page = inside
    model = page.get_by_role("combobox", name="Model").locator("visible=true")
    model.select_option("flickr8k-coco")
    expect(page.locator(".figures div")).to_have_text(figures("flickr8k-coco"))
    card = page.locator(".card-text")
    expect(card.get_by_role("heading", name="What goes wrong")).to_be_visible()
    expect(card.get_by_role("columnheader", name="for example")).to_be_visible()
    expect(card.locator("pre").first).to_contain_text("recap-train evaluate --checkpoint")
    expect(card.locator("em").first).to_be_visible()
    assert "**" not in card.inner_text()
    model.select_option("linux-c")
    expect(card.get_by_role("heading", name="linux-c")).to_be_visible()
    sample = card.locator("pre").inner_text()
    assert sample.startswith("\tunsigned long flags;\n\tint i;\n\n\t/* ")  # as it was written
    assert sample.endswith("\n\n\tif (!tracer_init(tr->array_buffer.buffer, tr->array_buffer.buffer)")
    expect(page.locator(".figures div")).to_have_text(figures("linux-c"))


def test_without_a_tree_it_says_why(open_page: Open) -> None:
    page = open_page("#inside")
    expect(page.get_by_text("Caption a picture, and its search is drawn here")).to_be_visible()
    page.evaluate(
        """async () => (await import("/web/views/captioning/decoding.js")).decoding.set({method: "sample"})"""
    )
    page.get_by_role("link", name="Caption one").click()
    page.get_by_role("button", name="Caption this one").click()
    page.locator(".frame[data-state=done]").wait_for()
    page.get_by_role("link", name="Look inside").click()
    expect(page.get_by_text("Samples are drawn one by one, so there is no tree")).to_be_visible()


def test_cards_of_strangers_do_no_harm(page: Page) -> None:
    """A card is text, whatever it says."""
    card = (
        "# <img src=x onerror=alert(1)>\n\n[here](javascript:alert`1`) and [there](https://example.com/a), `<b>`\n\n"
        "| <i>a</i> | b |\n|---|---|\n| 1 | **2** |\n\n```\n<script>\n"
    )
    html = page.evaluate(
        """async (card) => {
            const {markdown} = await import("/web/views/inside/markdown.js");
            const article = document.createElement("article");
            article.append(...markdown(card));
            return article.innerHTML;
        }""",
        card,
    )
    assert html == (
        "<h2>&lt;img src=x onerror=alert(1)&gt;</h2>"
        '<p>here and <a href="https://example.com/a" rel="noreferrer">there</a>, <code>&lt;b&gt;</code></p>'
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr>'
        '<th scope="col">&lt;i&gt;a&lt;/i&gt;</th><th scope="col">b</th></tr></thead>'
        '<tbody><tr><td class="number">1</td><td><strong>2</strong></td></tr></tbody></table></div>'
        '<pre tabindex="0"><code>&lt;script&gt;\n</code></pre>'
    )
