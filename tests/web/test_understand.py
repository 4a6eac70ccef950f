"""The view of intents: a sentence, its ranking, and its words."""

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Open

pytestmark = pytest.mark.browser


def test_a_sentence_is_understood(open_page: Open) -> None:
    page = open_page("#understand")
    page.get_by_role("textbox", name="Sentence").fill("What time is it?")
    page.get_by_role("textbox", name="Sentence").press("Enter")
    answer = page.locator("#intent-answer")
    expect(answer.get_by_role("heading")).to_contain_text("Asking for the time")
    expect(answer.locator(".ranking li")).to_have_count(5)
    expect(answer.get_by_role("list", name="Word by word").locator("mark")).to_have_text(["what", "time", "is", "it"])


def test_what_is_out_of_scope_is_said(open_page: Open) -> None:
    page = open_page("#understand")
    page.get_by_role("textbox", name="Sentence").fill("?!")
    page.get_by_role("button", name="Understand").click()
    expect(page.locator("#intent-answer")).to_contain_text("This is none of the intents that the model knows.")


def test_what_is_refused_is_told(open_page: Open) -> None:
    page = open_page("#understand")
    page.get_by_role("textbox", name="Sentence").fill("  ")
    page.get_by_role("button", name="Understand").click()
    expect(page.get_by_role("alert")).to_contain_text("text is empty")
