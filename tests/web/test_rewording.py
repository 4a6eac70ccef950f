"""Other words: the likeliest in the place of each word, as the API has them, and what follows from another one."""

import re
from typing import Any

import httpx2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def unsure(page: Page) -> Any:
    """Whether each word is underlined."""
    return page.locator(".word").evaluate_all("(words) => words.map((word) => word.matches('.unsure'))")


def test_a_click_on_a_word_shows_others_and_one_of_them_goes_on(captioned: Page, server: str, photo: bytes) -> None:
    page = captioned
    asked = {"num_captions": 3, "top_logprobs": 5}
    best, *_ = httpx2.post(f"{server}/v1/captions", params=asked, content=photo).json()["captions"]
    tokens = best["tokens"]
    assert unsure(page) == [np.exp(token["logprob"]) < 0.3 for token in tokens]
    place = next(number for number, token in enumerate(tokens) if token["text"] == "holding")
    page.locator(".word").nth(place).click()
    card = page.get_by_role("group", name="Instead of holding")
    expect(card.get_by_role("button")).to_have_count(5)
    for choice, button in zip(tokens[place]["top_logprobs"], card.get_by_role("button").all(), strict=True):
        expect(button.locator(".sign")).to_have_text(choice.get("text", "■ the end"))
        share = np.exp(choice["logprob"])
        expect(button.locator(".share")).to_have_text("< 1 %" if share < 0.01 else f"{round(100 * share)} %")
    *_, other = (one["text"] for one in tokens[place]["top_logprobs"] if one.get("text") not in (None, "holding"))
    card.get_by_role("button", name=re.compile(f"^{other} ")).click()
    prefix = " ".join([*(token["text"] for token in tokens[:place]), other])
    (anew,) = httpx2.post(f"{server}/v1/captions", params={"prefix": prefix}, content=photo).json()["captions"]
    assert anew["text"].startswith(prefix)
    expect(page.locator(".sentence")).to_have_text(anew["text"], ignore_case=True)
    likely = [np.exp(token["logprob"]) >= 0.3 for token in anew["tokens"]]
    assert not likely[place]
    assert unsure(page) == [not sure for sure in likely]
    expect(page.locator(".other[aria-pressed=true]")).to_contain_text(anew["text"])
    page.locator(".word").last.hover()
    expect(page.locator(".looked b")).to_have_text(anew["tokens"][-1]["text"])  # its attention came with it
    page.keyboard.press("Control+z")
    expect(page.locator(".sentence")).to_have_text(best["text"], ignore_case=True)
    expect(page.locator(".other")).to_have_count(3)


def test_other_words_are_reached_and_left_by_keys(captioned: Page) -> None:
    page = captioned
    others = page.get_by_role("button", name="Other words in its place")
    expect(others).to_be_disabled()
    page.get_by_role("button", name="Word after").press("Enter")
    page.keyboard.press("ArrowRight")
    others.press("Enter")
    word = page.locator(".word").nth(1).inner_text()
    card = page.get_by_role("group", name=f"Instead of {word}")
    expect(card.locator("button:enabled").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(card.locator("button:enabled").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(others).to_be_focused()
    expect(card).to_be_hidden()
    others.press("Enter")
    page.locator("h1:visible, .picture").first.click()
    expect(card).to_be_hidden()
