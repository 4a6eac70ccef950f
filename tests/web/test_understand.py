"""The view of intents: a sentence, its ranking, and its words."""

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Open, violations

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


def test_axe_finds_nothing(still: Page, server: str) -> None:
    still.goto(f"{server}/#understand")
    still.get_by_role("textbox", name="Sentence").fill("What time is it in Lllanfair?")
    still.get_by_role("button", name="Understand").click()
    still.get_by_role("list", name="Word by word").wait_for()
    assert violations(still) == ""


def test_long_sentence_is_understood_without_its_words(open_page: Open) -> None:
    page = open_page("#understand")
    page.get_by_role("textbox", name="Sentence").fill("what time is it " * 20)
    page.get_by_role("button", name="Understand").click()
    expect(page.locator("#intent-answer .ranking li")).to_have_count(5)
    expect(page.locator("#intent-answer .words")).to_have_count(0)


def test_refusal_does_not_stand_above_another_answer(open_page: Open) -> None:
    page = open_page("#understand")
    page.get_by_role("button", name="Understand").click()
    expect(page.locator("#intent-answer .ranking li")).to_have_count(5)
    page.get_by_role("textbox", name="Sentence").fill("  ")
    page.get_by_role("button", name="Understand").click()
    expect(page.get_by_role("alert")).to_contain_text("Text is empty; a sentence is needed")
    expect(page.locator("#intent-answer")).to_be_empty()


def test_what_is_refused_is_told(open_page: Open) -> None:
    page = open_page("#understand")
    page.get_by_role("textbox", name="Sentence").fill("  ")
    page.get_by_role("button", name="Understand").click()
    expect(page.get_by_role("alert")).to_contain_text("Text is empty; a sentence is needed")
