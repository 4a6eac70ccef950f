"""The occlusion check: what is sent is covered, and words fall as the API says."""

import io
import re
from base64 import b64decode
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

PARTS = 25


@pytest.fixture
def opened(captioned: Page) -> Page:
    """The check of the page's own picture."""
    if not captioned.get_by_role("button", name="Cover each part in turn").is_visible():
        captioned.get_by_text("What if a part were covered?").click()
    if not captioned.evaluate("'asked' in window"):
        captioned.evaluate(WATCH)
    asked_by(captioned)
    return captioned


def drag(page: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Drags over a part of the picture, in shares of it."""
    page.locator(".frame").scroll_into_view_if_needed()
    box = page.locator(".frame").bounding_box()
    assert box
    page.mouse.move(box["x"] + left * box["width"], box["y"] + top * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], box["y"] + bottom * box["height"], steps=3)
    page.mouse.up()


WATCH = """() => {
    window.asked = [];
    const own = window.fetch;
    window.fetch = (url, options) => {
        if (String(url).startsWith("v1/captions?")) window.asked.push([String(url), options.body.get("image")]);
        return own(url, options);
    };
}"""
ASKED = """async () => {
    const text = (file) => new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.split(",")[1]);
        reader.readAsDataURL(file);
    });
    return Promise.all(window.asked.splice(0).map(async ([url, file]) => [url, await text(file)]));
}"""


class Asked(NamedTuple):
    """A request that the page has sent."""

    url: str
    picture: bytes

    @property
    def is_forced(self) -> bool:
        """Whether it has the words as its prefix."""
        return "prefix" in parse_qs(urlsplit(self.url).query)


def asked_by(page: Page) -> list[Asked]:
    """The requests since the last call."""
    return [Asked(url, b64decode(picture)) for url, picture in page.evaluate(ASKED)]


def answer(server: str, asked: Asked) -> Any:
    """What the API says to the same request."""
    return httpx2.post(f"{server}/{asked.url}", content=asked.picture).json()["captions"][0]


def test_words_fall_where_what_they_name_is_covered(opened: Page, server: str, photo: bytes) -> None:
    page = opened
    drag(page, 0.4, 0.2, 0.75, 0.65)
    expect(page.locator(".covered .anew")).to_be_visible()
    asked = asked_by(page)
    forced = [one for one in asked if one.is_forced]
    (anew,) = (one for one in asked if not one.is_forced)
    before, after = (answer(server, one)["tokens"] for one in forced)
    text = answer(server, anew)["text"]
    expect(page.locator(".anew")).to_have_text(f"{text}.", ignore_case=True)
    with Image.open(io.BytesIO(photo)) as whole, Image.open(io.BytesIO(anew.picture)) as covered:
        pixels, grey = np.asarray(whole.convert("L")).astype(int), np.asarray(covered.convert("L")).astype(int)
    rows, columns = (slice(round(512 * low) + 9, round(512 * high) - 9) for low, high in ((0.2, 0.65), (0.4, 0.75)))
    assert np.ptp(grey[rows, columns]) < 6  # of one colour
    assert np.ptp(pixels[rows, columns]) > 100
    assert np.abs(grey[:90] - pixels[:90]).mean() < 3  # and the rest as it was
    fell = {}
    words = page.locator(".word").count()
    for one, other in zip(before[:words], after[:words], strict=True):
        shares = np.exp(one["logprob"]), np.exp(other["logprob"])
        if shares[1] < 0.7 * shares[0]:
            fell[one["text"]] = "{} % → {} %".format(*(round(100 * share) for share in shares))
    assert "camera" in fell
    told = dict(line.split(" ", 1) for line in page.locator(".falls li").all_inner_texts())
    assert told == fell
    drag(page, 0.85, 0.85, 0.99, 0.99)
    expect(page.locator(".covered")).to_contain_text("No word needs that part")
    drag(page, 0.5, 0.5, 0.501, 0.501)  # a click
    expect(page.locator(".cover")).to_be_hidden()
    expect(page.locator(".covered")).to_be_empty()


def test_each_part_is_covered_in_turn(opened: Page) -> None:
    page = opened
    page.get_by_role("button", name="Cover each part in turn").click()
    needs = page.get_by_role("group", name="What each word needs").get_by_role("button")
    expect(needs).to_have_count(page.locator(".word").count())
    assert [one.is_forced for one in asked_by(page)] == [True] * (1 + PARTS)
    camera = needs.filter(has_text="camera")
    expect(camera).to_have_text(re.compile(r"camera \d+ % → \d+ %, "))
    camera.focus()
    expect(camera).to_have_attribute("aria-pressed", "true")
    light = page.locator(".frame .light").last
    expect(light).to_be_visible()
    needs.first.focus()
    expect(needs.first).to_have_text("a needs no part")
    expect(light).to_be_hidden()
    page.get_by_text("What if a part were covered?").click()
    expect(page.locator(".frame")).not_to_have_class(re.compile("coverable"))
