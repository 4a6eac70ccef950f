"""The view of cells: the numbers of the server as colours, cells by name, and those that are on in a range."""

import json
import re
from base64 import b64decode
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, Request, expect

from tests.conftest import ROOT
from tests.web.conftest import violations

pytestmark = pytest.mark.browser

TEXT = "ROMEO:\nO, she doth teach the torches to burn bright!\n\nJULIET:\nAy me!\n"
SHADES = """() => Array.from(document.querySelectorAll(".painted span"), ({style}) => {
    const [, sign, share] = style.background.match(/--(minus|plus)\\)? (\\d+)%/);
    return (sign === "minus" ? -1 : 1) * Number(share) / 70;
})"""


@pytest.fixture
def cells(tab: Page) -> Page:
    """The view, with a text that was read and the first cell with a name."""
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.evaluate("location.hash = 'cells/shakespeare/3/99'")
    tab.locator("#view-cells").get_by_role("combobox", name="Model").wait_for()
    tab.locator(".painted span").first.wait_for()
    tab.get_by_role("textbox", name="Text to read").fill(TEXT)
    tab.get_by_role("button", name="Read it").click()
    expect(tab.locator(".painted span")).to_have_count(len(TEXT))
    expect(tab.locator(".gates output")).to_have_count(6)
    return tab


def states(server: str, **body: Any) -> Any:
    asked = {"model": "shakespeare", "text": TEXT, **body}
    return httpx2.post(f"{server}/v1/states", json=asked, timeout=60).json()


def test_named_cells_paint_the_text_by_what_they_keep(cells: Page, server: str) -> None:
    page = cells
    known = json.loads((ROOT / "checkpoints" / "shakespeare" / "cells.json").read_text(encoding="utf-8"))["cells"]
    names = page.get_by_role("list", name="Cells with a name").get_by_role("button")
    assert [name.locator("span").inner_text() for name in names.all()] == [cell["label"] for cell in known]
    for name, cell in zip(names.all(), known, strict=True):
        expect(name).to_contain_text(f"r = {cell['r']:.2f}".replace("-", "−"))
        name.click()
        expect(page.locator(".cell-told")).to_contain_text(
            f"Layer {cell['layer']}, cell {cell['cell']}: {cell['label']}"
        )
        (told,) = states(server, layer=cell["layer"], cells=[cell["cell"]])["cells"]
        np.testing.assert_allclose(page.evaluate(SHADES), np.tanh(told["cell_state"]), atol=0.02)


def test_gates_are_told_at_the_character_that_is_pointed_at(cells: Page, server: str) -> None:
    page = cells
    page.get_by_role("list", name="Cells with a name").get_by_role("button").first.click()
    page.locator(".painted span").nth(9).hover()
    (told,) = states(server, layer=3, cells=[99], gates=True)["cells"]
    expected = [*(told["gates"][gate][9] for gate in "ifgo"), np.tanh(told["cell_state"][9]), told["hidden"][9]]
    expect(page.locator(".gates output").first).to_have_text(f"{expected[0]:.2f}".replace("-", "−"))
    shown = [float(text.replace("−", "-")) for text in page.locator(".gates output").all_inner_texts()]
    np.testing.assert_allclose(shown, expected, atol=0.006)
    expect(page.locator("#cell-pointed")).to_contain_text(f"Character 10 of {len(TEXT)}, ␣ space")
    page.locator("#view-cells details.numbers > summary").first.click()
    rows = page.locator("#view-cells details.numbers table").first.locator("tr")
    expect(rows).to_have_count(len(TEXT) + 1)
    np.testing.assert_allclose(
        [float(text.replace("−", "-")) for text in rows.nth(10).locator("td").all_inner_texts()[2:]],
        expected,
        atol=6e-4,
    )
    page.locator("#view-cells details.numbers > summary").first.click()


def on_exactly(server: str, begin: int, end: int) -> NDArray[np.float64]:
    """The correlation of each cell, (L, H), with being between these two places."""
    told = states(server, activity=True)["activity"]
    values = np.frombuffer(b64decode(told["values"]), np.int8).reshape(told["layers"], len(TEXT), told["cells"])
    inside = np.zeros(len(TEXT))
    inside[begin:end] = 1
    wide = values.transpose(0, 2, 1).astype(float)  # (L, H, T)
    wide -= wide.mean(-1, keepdims=True)
    deviation = wide.std(-1)
    r: NDArray[np.float64] = (wide * (inside - inside.mean())).mean(-1) / np.maximum(deviation, 0.5) / inside.std()
    return np.where(deviation > 0.5, r, 0)


def test_cells_that_are_on_exactly_in_a_range_are_found(cells: Page, server: str) -> None:
    page, begin, end = cells, TEXT.index("JULIET"), TEXT.index("JULIET") + 6
    spans = page.locator(".painted span")
    spans.nth(begin).hover()
    page.mouse.down()
    spans.nth(end - 1).hover()
    page.mouse.up()
    found = page.locator(".found-cells li")
    expect(found).to_have_count(6)
    expect(page.locator(".range-cells h3")).to_have_text("On exactly at “JULIET”")
    r = on_exactly(server, begin, end)
    best = np.sort(np.abs(r).ravel())[::-1][:6]
    for item, score in zip(found.all(), best, strict=True):
        layer, cell = map(int, re.findall(r"\d+", item.get_by_role("button").inner_text()))
        assert abs(r[layer - 1, cell]) == pytest.approx(score, abs=1e-6)
        expect(item.locator("small")).to_have_text(f"r = {r[layer - 1, cell]:.2f}".replace("-", "−"))
    found.first.get_by_role("button").click()
    expect(page.locator(".cell-told")).to_contain_text(found.first.get_by_role("button").inner_text())


def test_the_keyboard_does_all_of_it(cells: Page) -> None:
    page = cells
    page.get_by_role("group", name="The text, painted").focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".range-cells h3")).to_have_text("On exactly at “ROMEO”")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#cell-pointed")).to_contain_text(f"Character 12 of {len(TEXT)}")
    page.keyboard.press("Escape")
    expect(page.locator(".range-cells")).to_be_empty()
    page.get_by_role("list", name="Cells with a name").get_by_role("button").first.focus()
    page.keyboard.press("Enter")
    grid = page.get_by_role("group", name="All cells")
    grid.focus()
    page.keyboard.press("ArrowRight")
    expect(grid).to_have_attribute("aria-label", "All cells; chosen: layer 3, cell 100")
    page.keyboard.press("PageUp")
    expect(page.locator(".cell-told")).to_have_text("Layer 2, cell 100")
    assert page.url.endswith("#cells/shakespeare/2/100")


def test_a_text_is_painted_while_it_is_written(cells: Page) -> None:
    page = cells

    def follows(request: Request) -> bool:
        """Whether it asks for the chosen cell alone, of the text so far."""
        asked = json.loads(request.post_data or "{}")
        return request.url.endswith("/v1/states") and "cells" in asked and "gates" not in asked

    with page.expect_request(follows):
        page.get_by_role("button", name="Let it write").click()
    expect(page.locator(".painted span")).to_have_count(len(TEXT) + 400, timeout=60_000)
    assert page.get_by_role("textbox", name="Text to read").input_value().startswith(TEXT)


def test_a_thousand_characters_are_painted_in_a_second(cells: Page) -> None:
    """With all cells beside them; what the network takes to read them comes on top."""
    seconds = cells.evaluate("""async () => {
        const [{Activity}, {PaintedText}, {CellGrid}] = await Promise.all(
            ["activity", "painted", "grid"].map((name) => import(`/web/views/cells/${name}.js`)));
        const began = performance.now();
        const activity = new Activity({layers: 3, cells: 512, values: btoa("\\x40".repeat(1_536_000))}, 1000);
        const [painted, grid] = [new PaintedText(), new CellGrid()];
        document.querySelector("#view-cells").append(painted.node, grid.node);
        grid.shape(3, 512, []);
        painted.write([..."a quick brown fox. ".repeat(60).slice(0, 1000)]);
        painted.paint(activity.of({layer: 3, cell: 99}));
        grid.show(activity, 500);
        painted.node.getBoundingClientRect();
        const ended = performance.now();
        painted.node.remove();
        grid.node.remove();
        return (ended - began) / 1000;
    }""")
    assert seconds < 1


def test_axe_finds_nothing(still: Page, server: str) -> None:
    still.goto(f"{server}/#cells/shakespeare/3/99")
    expect(still.locator(".gates output")).to_have_count(6)
    still.get_by_role("group", name="The text, painted").focus()
    for _ in range(4):
        still.keyboard.press("Shift+ArrowRight")
    still.locator(".found-cells").wait_for()
    assert violations(still) == ""
