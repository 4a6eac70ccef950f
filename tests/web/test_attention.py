"""Where the network looked, as light on the picture: over the whole of it, for the word that is meant, and no other."""

from collections.abc import Sequence
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from tests.web.conftest import caption_example

pytestmark = pytest.mark.browser

LIT = """() => {
    const canvas = document.querySelector(".light");
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from({length: canvas.height}, (_, y) =>
        Array.from({length: canvas.width}, (_, x) => 255 - data[4 * (y * canvas.width + x) + 3]));
}"""


def light(page: Page) -> NDArray[np.float64]:
    """How much of the picture comes through at each place, 0 to 1."""
    return np.array(page.evaluate(LIT)) / 255  # (64, 64)


def spots(grid: Sequence[Sequence[float]], side: int = 64) -> NDArray[np.float64]:
    """The same by another way: bilinear between the middles of cells, 0 up to the average, the brightest 1."""
    cells = np.array(grid)
    rows, columns = ((np.arange(side) + 0.5) / side * count - 0.5 for count in cells.shape)
    across = np.stack([np.interp(columns, np.arange(cells.shape[1]), row) for row in cells])
    smooth = np.stack([np.interp(rows, np.arange(cells.shape[0]), column) for column in across.T], axis=1)
    return np.asarray(np.clip(smooth - cells.mean(), 0, None) / (smooth.max() - cells.mean()))


@pytest.fixture(scope="module")
def tokens(server: str, photo: bytes) -> list[dict[str, Any]]:
    """The words of the picture's caption, with their attention, as the API has them."""
    asked = {"attention": True, "num_captions": 3}
    answer = httpx2.post(f"{server}/v1/captions", params=asked, content=photo).json()
    return list(answer["captions"][0]["tokens"])


def test_each_word_lights_what_it_was_written_from(captioned: Page, tokens: list[dict[str, Any]]) -> None:
    page, frame = captioned, captioned.locator(".frame")
    assert page.locator(".light").bounding_box() == page.locator(".picture").bounding_box()
    assert light(page).min() == 1  # nothing is dimmed
    words = page.locator(".word")
    seen = []
    page.emulate_media(reduced_motion="reduce")  # so that it is there at once
    for place, token in enumerate(tokens):
        words.nth(place).hover()
        expect(frame).to_have_attribute("data-word", token["text"])
        seen.append(light(page))
    for place, found in enumerate(seen):
        assert found.max() > 0.99
        assert found.min() < 0.5
        likeness = [np.corrcoef(found.ravel(), spots(token["attention"]).ravel())[0, 1] for token in tokens]
        assert likeness[place] > 0.95
        assert likeness[place] > max(likeness) - 0.01  # where two words look alike, so do their lights
    page.locator(".top").hover()
    expect(frame).to_have_attribute("data-word", "")
    assert light(page).min() == 1


def test_on_a_phone_words_stay_under_the_pointer(captioned: Page) -> None:
    captioned.set_viewport_size({"width": 390, "height": 800})
    frame, sentence = captioned.locator(".frame"), captioned.locator(".sentence")
    captioned.locator(".top").hover()
    expect(frame).to_have_attribute("data-word", "")
    words = captioned.locator(".word").all()
    words[-1].scroll_into_view_if_needed()
    place = sentence.bounding_box()
    for word in words:
        word.hover()
        expect(frame).to_have_attribute("data-word", word.inner_text().lower())
        assert sentence.bounding_box() == place


def test_the_light_goes_over_from_one_word_to_the_next(captioned: Page, tokens: list[dict[str, Any]]) -> None:
    words = captioned.locator(".word")
    words.first.hover()
    captioned.evaluate(f"""() => {{
        const light = {LIT};
        const word = document.querySelector(".frame").dataset.word;
        const seen = new Set();
        let end = Infinity;
        const look = (now, done) => {{
            seen.add(light().join());
            if (end === Infinity && document.querySelector(".frame").dataset.word !== word) end = now + 400;
            if (now < end) requestAnimationFrame((later) => look(later, done));
            else done([seen.size, light()]);
        }};
        window.lights = new Promise((done) => look(0, done));
    }}""")
    words.nth(len(tokens) - 1).hover()
    count, last = captioned.evaluate("window.lights")
    assert count > 2  # some that are neither the one nor the other
    assert np.corrcoef((np.array(last) / 255).ravel(), spots(tokens[-1]["attention"]).ravel())[0, 1] > 0.95


def test_the_keyboard_goes_from_word_to_word(captioned: Page, tokens: list[dict[str, Any]]) -> None:
    page, frame = captioned, captioned.locator(".frame")
    expect(page.locator(".sentence")).to_have_text(" ".join(token["text"] for token in tokens), ignore_case=True)
    assert page.locator(".sentence").get_by_role("button").count() == 0  # read as a sentence, not as eleven buttons
    page.get_by_role("toolbar", name="Where it looked").get_by_role("button", name="Play").focus()
    for place, token in enumerate(tokens):
        page.keyboard.press("ArrowRight")
        expect(frame).to_have_attribute("data-word", token["text"])
        expect(page.locator(".looked")).to_contain_text(
            f"{token['text']} {round(100 * np.exp(token['logprob']))} % likely"
        )
        grid = np.array(token["attention"])
        where = f"{grid.max() / grid.mean():.1f} × average, " if grid.max() > 1.5 * grid.mean() else "looked everywhere"
        expect(page.locator(".looked")).to_contain_text(where)
        said = f"Word {place + 1} of {len(tokens)}: {token['text']}, {where}"
        expect(page.get_by_role("status")).to_contain_text(said)
    page.keyboard.press("ArrowLeft")
    expect(frame).to_have_attribute("data-word", tokens[-2]["text"])


def test_attention_is_told_in_words(page: Page) -> None:
    told = page.evaluate("""async () => {
        const {whereabouts} = await import("/web/views/captioning/attention.js");
        const grid = (row, column) => Array.from({length: 7}, (_, y) =>
            Array.from({length: 7}, (_, x) => y === row && x === column ? 5 : 1));
        return [grid(0, 0), grid(3, 3), grid(3, 6), grid(6, 3), grid(9, 9)].map(whereabouts);
    }""")
    assert told == [
        "4.6 × average, top left",
        "4.6 × average, in the middle",
        "4.6 × average, right",
        "4.6 × average, bottom",
        "looked everywhere",
    ]


def test_it_plays_and_steps(page: Page, tokens: list[dict[str, Any]]) -> None:
    caption_example(page)
    frame = page.locator(".frame")
    texts = [token["text"] for token in tokens]
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    page.get_by_role("button", name="Play").click()
    for text in texts:
        expect(frame).to_have_attribute("data-word", text)
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        page.clock.run_for(750)
    expect(frame).to_have_attribute("data-word", "")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.clock.resume()
    for name, text in (("Word after", texts[0]), ("Word after", texts[1]), ("Word before", texts[0])):
        page.get_by_role("button", name=name).click()
        expect(frame).to_have_attribute("data-word", text)
        expect(page.locator(".word.marked")).to_have_text(text, ignore_case=True)
    page.locator(".word").nth(3).click()  # stays, as a finger needs it
    page.locator(".top").hover()
    expect(frame).to_have_attribute("data-word", texts[3])


def test_who_wants_no_motion_gets_none(captioned: Page) -> None:
    captioned.emulate_media(reduced_motion="reduce")
    captioned.locator(".word").last.hover()
    dimmed = captioned.evaluate(f"({LIT})().flat().filter((value) => value < 128).length")
    assert dimmed > 500  # at once
    assert captioned.evaluate("getComputedStyle(document.querySelector('.word')).animationName") == "none"


def test_light_lies_over_what_was_cut_from_the_middle(page: Page) -> None:
    """Some models see a square from the middle; a grid of theirs is no grid of the whole picture."""
    boxes = page.evaluate("""async () => {
        const {Stage} = await import("/web/views/captioning/stage.js");
        const stage = new Stage();
        document.querySelector("main").replaceChildren(stage.node);
        stage.place({resize: "crop", crop_fraction: 0.875}, {width: 800, height: 400});
        return [stage.frame, stage.canvas].map((node) => node.getBoundingClientRect().toJSON());
    }""")
    frame, canvas = boxes
    assert frame["width"] / frame["height"] == pytest.approx(2, rel=0.01)
    assert canvas["width"] / frame["height"] == pytest.approx(0.875, rel=0.01)
    assert canvas["height"] / frame["height"] == pytest.approx(0.875, rel=0.01)
    for start, length in (("x", "width"), ("y", "height")):
        middle = frame[start] + frame[length] / 2
        assert canvas[start] + canvas[length] / 2 == pytest.approx(middle, abs=1)
